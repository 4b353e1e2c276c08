/** The page of a Board, in every language: exactly the contract's HTML, and visitors' text escaped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  announced,
  hmac,
  STREAM,
  setCookies,
  staysAlive,
  store,
  takeBroadcasts,
} from '../../backends/harness/board-answers.ts'
import { alike, card, NAMES, page } from '../../backends/harness/board-page.ts'
import type { BoardAnswer } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { known } from '../../backends/harness/within.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  const differs = differences(backend)
  staysAlive(board)

  test('the page is exactly that of the contract: empty, with one card, with several', async () => {
    await isThePage(await board().ask('/'))
    store(boards, { body: 'one' })
    await isThePage(await board().ask('/'))
    for (const other of Object.keys(NAMES)) store(boards, { body: `by ${other}`, backend: other, votes: 12 })
    await isThePage(await board().ask('/?client=rails'), { client: 'rails' })
  })

  test("the Board escapes visitors' text, on the page and in the stream", async () => {
    const typed = { body: `</li><script>alert("1")</script> & 'x' 日本 🎉`, author: "\"><b onclick='x'>" }
    await board().post('/cards', typed)

    const [stored] = boards.cards()
    assert.deepEqual([stored!.body, stored!.author], [typed.body, typed.author])
    await isThePage(await board().ask('/'))
    await announced(boards, 1)
    assert.deepEqual(takeBroadcasts(boards), [
      `<turbo-stream action="append" target="cards"><template>${card(stored!)}</template></turbo-stream>`,
    ])
  })

  test('a Board asks for the position once, before it reads the data', async () => {
    const asked: (string | null)[] = []
    boards.cable.onPosition = stream => {
      asked.push(stream)
      store(boards, { body: `written while ${stream} was asked for` })
      return '41/a-b_C'
    }
    const ask = () => {
      asked.length = 0
      return board().ask('/')
    }
    const { body } = await known(ask, answer => answer.body.includes('data-position="41/'))
    assert.deepEqual(asked, ['board/1'])
    assert.match(body, /written while board\/1 was asked for/)
    assert.match(body, /data-position="41\/a-b_C"/)
  })

  async function isThePage(
    { status, headers, body }: BoardAnswer,
    { client = 'anycable' as 'anycable' | 'rails' } = {},
  ) {
    assert.equal(status, 200)
    assert.match(headers['content-type']!, /^text\/html; ?charset=utf-8$/i)
    assert.equal(headers['cache-control'], 'no-store')
    const version = /<small>([^<]*\d+\.\d+[^<]*)<\/small>/.exec(body)?.[1]
    assert.ok(version, 'the page says its version')
    const token = isToken(/<meta name="cable-token" content="([^"]+)"/.exec(body)?.[1] ?? '', headers)
    const at = `ws://127.0.0.1:${board().port}/cable`
    const metaTags = [
      `<meta name="action-cable-url" content="${differs.hasRelativeCableUrl ? '/cable' : at}?jid=${token}">`,
      `<meta name="cable-url" content="${at}">`,
      `<meta name="cable-token" content="${token}">`,
    ].join('\n')
    assert.equal(
      alike(body),
      page({ backend, version, client, metaTags, streamFrom: STREAM_FROM, cards: boards.cards() }),
    )
  }
})

const SIGNED = (encoded => `${encoded}--${hmac(encoded).toString('hex')}`)(btoa(`"${STREAM}"`))
const STREAM_FROM =
  `<turbo-cable-stream-source id="cable-${SIGNED.slice(-64, -56)}-7-test" data-position="7/test" ` +
  `channel="Turbo::StreamsChannel" signed-stream-name="${SIGNED}"></turbo-cable-stream-source>`

/** Asserts that the token is ours, is good for an hour, and names the visitor of the cookie that the same answer sets. */
function isToken(token: string, headers: BoardAnswer['headers']): string {
  const [header, claims, signature] = token.split('.') as [string, string, string]
  assert.equal(signature, hmac(`${header}.${claims}`).toString('base64url'))
  assert.match(Buffer.from(header, 'base64url').toString(), /^\{"alg":"HS256"(,"typ":"JWT")?\}$/)
  const { ext, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  assert.equal(ext, JSON.stringify({ visitor: setCookies({ headers }).visitor }))
  assert.ok(Math.abs(exp - Date.now() / 1000 - 3600) < 60)
  return token
}
