/** Cookies as browsers, old pages and other apps on the same host leave them: every Board reads each the same way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefused, setCookies, staysAlive, visitorOf } from '../../backends/harness/board-answers.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

const ADA = '0123456789abcdef'
const BOB = 'fedcba9876543210'

/** Cookie header → the visitor that the Board sees in it; undefined: a new one. */
const VISITORS: Record<string, string | undefined> = {
  [`visitor=${ADA}`]: ADA,
  [`a=b; visitor=${ADA}; c=d`]: ADA,
  [`a=b;visitor=${ADA};c=d`]: ADA,
  [`visitor=${ADA}; visitor=${BOB}`]: ADA, // the more specific path comes first
  [`visitor=x; visitor=${BOB}`]: BOB,
  [`visitor=; visitor=${BOB}`]: BOB,
  [`%zz=%; visitor=${ADA}`]: ADA,
  [`a=\xff\xfe; visitor=${ADA}`]: ADA,
  [`a="b; visitor=${ADA}`]: ADA,
  [`;;=; ;visitor=${ADA};;`]: ADA,
  [`a[]=1; visitor=${ADA}; visitor[]=x`]: ADA,
  [`a=${'x'.repeat(4000)}; visitor=${ADA}`]: ADA,
  [`${Array.from({ length: 300 }, (_, at) => `c${at}=x`).join('; ')}; visitor=${ADA}`]: ADA,
  'visitor=%30123456789abcdef': undefined,
  [`visitor="${ADA}"`]: undefined,
  [`visitor=${ADA}%`]: undefined,
  'visitor=\xff\xfe': undefined,
  [`visitor=${ADA.toUpperCase()}`]: undefined,
  [`visitor=${'a'.repeat(4000)}`]: undefined,
  [`Visitor=${ADA}`]: undefined,
  [`xvisitor=${ADA}`]: undefined,
  [`visitor[]=${ADA}`]: undefined,
  [`%76isitor=${ADA}`]: undefined,
  [`a=b visitor=${ADA}`]: undefined,
  [`visitor ${ADA}`]: undefined,
}

/** Cookie header and query → the name of the client. */
const CLIENTS: [cookie: string, query: string, client: string][] = [
  ['client=rails', '', 'rails'],
  ['client=evil; client=rails', '', 'rails'],
  ['client=rails; client=anycable', '', 'rails'],
  ['client=%72ails', '', 'anycable'],
  ['client=rails', '?client=anycable', 'anycable'],
  ['', '?client=evil&client=rails', 'rails'],
  ['', '?client=rails&client=anycable', 'rails'],
  ['', '?a=b&&=&client=rails', 'rails'],
  ['', '?client[]=rails', 'anycable'],
]

/** The name of the client whose script the page loads. */
function clientOf(body: string): string | undefined {
  const script = /src="\/assets\/(hotcable|rails)(?:-gem)?\.js"/.exec(body)?.[1]
  return script === 'hotcable' ? 'anycable' : script
}

eachBoard(backend => {
  const board = () => boards.get(backend)
  const { isFramework } = differences(backend)
  staysAlive(board)

  test('a Board knows a visitor by 16 hex digits in a cookie, and replaces anything else', async () => {
    const kept = await board().ask('/', { headers: { cookie: 'a=b; visitor=0123456789abcdef; c=d' } })
    assert.deepEqual([visitorOf(kept), kept.headers['set-cookie']], ['0123456789abcdef', undefined])
    for (const cookie of [
      '',
      'visitor=',
      'visitor=0123456789ABCDEF',
      'visitor=0123456789abcdef0',
      'visitor="><b>',
      'xvisitor=0123456789abcdef',
      ';;=;',
    ]) {
      const answer = await board().ask('/', { headers: { cookie } })
      assert.match(visitorOf(answer), /^[0-9a-f]{16}$/)
      assert.equal(setCookies(answer).visitor, visitorOf(answer), cookie)
    }
  })

  test('a visitor chooses one of two client scripts by ?client=, and a cookie keeps the choice', async () => {
    const asked = async (path: string, cookie = 'visitor=0123456789abcdef') => {
      const answer = await board().ask(path, { headers: { cookie } })
      return [clientOf(answer.body), setCookies(answer).client]
    }
    const with_ = (client: string) => `visitor=0123456789abcdef; client=${client}`
    assert.deepEqual(await asked('/'), ['anycable', undefined])
    assert.deepEqual(await asked('/?client=rails'), ['rails', 'rails'])
    assert.deepEqual(await asked('/?a=b&client=anycable', with_('rails')), ['anycable', 'anycable'])
    assert.deepEqual(await asked('/', with_('rails')), ['rails', undefined])
    for (const evil of ['../evil', '%22%3E%3Cscript%3E', '', '%ff', 'RAILS']) {
      if (isFramework && evil === '%ff') isRefused(await board().ask('/?client=%ff'), 422)
      else assert.deepEqual(await asked(`/?client=${evil}`, with_('rails')), ['rails', undefined])
      assert.deepEqual(await asked('/', with_(evil)), ['anycable', undefined])
    }
  })

  for (const [cookie, known] of Object.entries(VISITORS)) {
    test(`${known === undefined ? 'a new visitor comes' : 'a known visitor comes'} with ${cookie.slice(0, 60)}`, async () => {
      const { status, headers, body } = await board().ask('/', { headers: { cookie } })

      assert.equal(status, 200)
      const visitor = visitorOf({ body })
      assert.match(visitor, /^[0-9a-f]{16}$/)
      assert.deepEqual(
        [known === undefined || visitor, headers['set-cookie']?.map(each => each.split(';')[0])],
        known === undefined ? [true, [`visitor=${visitor}`]] : [known, undefined],
      )
    })
  }

  for (const [cookie, query, client] of CLIENTS) {
    test(`the client is ${client} for the cookie '${cookie}' and the query '${query}'`, async () => {
      const { body } = await board().ask(`/${query}`, { headers: { cookie: `visitor=${ADA}; ${cookie}` } })

      assert.equal(clientOf(body), client)
    })
  }

  test('a Board answers a cookie header that is too long, and logs no error', async () => {
    const { status } = await board().ask('/', { headers: { cookie: `a=${'x'.repeat(60_000)}` } })

    assert.ok(status === 200 || status === 400 || status === 431, `${status}`)
  })
})
