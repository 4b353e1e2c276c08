/** Where a page finds its cable, in every language: at the host, the port and the scheme that the visitor's browser uses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { staysAlive } from '../../backends/harness/board-answers.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  staysAlive(board)

  for (const [headers, url] of [
    [{ host: 'board.example:3000' }, 'ws://board.example:3000/cable'],
    [{ host: 'a', 'x-forwarded-host': 'b.example' }, 'ws://b.example/cable'],
    [{ host: 'a', 'x-forwarded-host': 'b.example, c.example' }, 'ws://b.example/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'https, http' }, 'wss://a/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'http, https' }, 'ws://a/cable'],
    [{ host: '[::1]:3000' }, 'ws://[::1]:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000, 80' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '65535', 'x-forwarded-proto': 'https' }, 'wss://a:65535/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000', 'x-forwarded-host': 'b.example' }, 'ws://b.example:3000/cable'],
    [{ host: '[::1]', 'x-forwarded-port': '3000' }, 'ws://[::1]:3000/cable'],
    [{ host: 'a:3000', 'x-forwarded-port': '4000' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '80' }, 'ws://a/cable'],
    [{ host: 'a', 'x-forwarded-port': '443', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    // A proxy in front of this one ends TLS: the port is that of the last hop.
    [{ host: 'a', 'x-forwarded-port': '80', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    ...['', '0', '08', '65536', '99999', '-1', '+1', '1.5', '0x50', '3000 x', '"><b>', '\xff', '/', '３０００'].map(
      port => [{ host: 'a', 'x-forwarded-port': Buffer.from(port).toString('latin1') }, 'ws://a/cable'],
    ),
  ] as [Record<string, string>, string][]) {
    test(`the cable is at ${url} for ${JSON.stringify(headers)}`, async () => {
      const { body } = await board().ask('/', { headers })
      assert.match(body, new RegExp(`<meta name="cable-url" content="${url.replaceAll(/[[\]]/g, '\\$&')}">`))
    })
  }

  test('a Board puts no invalid host into its page', async () => {
    for (const host of ['"><script>alert(1)</script>', 'a/b?c=d&e', "'x'", '\xff\xfe']) {
      const { status, body } = await board().ask('/', { headers: { host: 'a', 'x-forwarded-host': host } })
      assert.equal(status, 200)
      assert.doesNotMatch(body, /<script>|content="[^"]*&e/)
    }
  })
})

test('web and the Boards that it mounts find the cable at the same place', async () => {
  const web = boards.get('typescript')
  for (const headers of [
    { host: 'a', 'x-forwarded-port': '3000', 'x-forwarded-proto': 'https' },
    { host: 'a:3000', 'x-forwarded-port': '4000' },
    { host: 'a', 'x-forwarded-host': 'b.example', 'x-forwarded-port': '3000, 80' },
    { host: 'a', 'x-forwarded-host': '"><b>', 'x-forwarded-port': '"><b>' },
  ] as Record<string, string>[]) {
    const urls = [...boards.running.keys()].map(async backend => {
      const { body } = await web.ask(backend === 'typescript' ? '/' : `/${backend}/`, { headers })
      return /<meta name="cable-url" content="([^"]*)"/.exec(body)?.[1]
    })
    const [first, ...others] = await Promise.all(urls)
    assert.match(first ?? '', /^wss?:/)
    assert.deepEqual(others, Array(boards.running.size - 1).fill(first), JSON.stringify(headers))
  }
})
