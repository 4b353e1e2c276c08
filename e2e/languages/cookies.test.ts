/** Cookies as browsers, old pages and other apps on the same host leave them: every Board makes the same of each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

const ADA = '0123456789abcdef'
const BOB = 'fedcba9876543210'

/** Cookie header → the visitor that the Board knows by it; undefined: a new one. */
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

/** Cookie header and query → the client script. */
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

eachBoard(backend => {
  const board = () => boards.get(backend)

  for (const [cookie, known] of Object.entries(VISITORS)) {
    test(`${known === undefined ? 'a new visitor comes' : 'a known visitor comes'} with ${cookie.slice(0, 60)}`, async () => {
      const { status, headers, body } = await board().ask('/', { headers: { cookie } })

      assert.equal(status, 200)
      const visitor = visitorOf(body)
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

      assert.equal(/src="\/assets\/(\w+)(?:-gem)?\.js"/.exec(body)?.[1], client)
    })
  }

  test('a cookie header that is too long is answered without an error of ours', async () => {
    const { status } = await board().ask('/', { headers: { cookie: `a=${'x'.repeat(60_000)}` } })

    assert.ok(status === 200 || status === 400 || status === 431, `${status}`)
  })
})

const visitorOf = (body: string): string => {
  const [, claims] = /<meta name="cable-token" content="[\w-]+\.([\w-]+)\./.exec(body)!
  return JSON.parse(JSON.parse(Buffer.from(claims!, 'base64url').toString()).ext).visitor
}
