import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { broadcast, broadcastKey, issueToken, signStream } from '../backends/typescript/hotcable.ts'
import { startCable } from '../testing/cable.ts'
import { bodyOf, DEAD, listen, testApp } from './testing.ts'

const SECRET = 'canary-of-debug'
const EVIL = `"'></textarea></pre></main><script>alert(1)</script><img src=x onerror=alert(2)>`

/** The page in front of a real cable. */
async function debugged(t: TestContext, ...flags: string[]) {
  const cable = await startCable(['--port=0', '--turbo_streams', ...flags], { settings: { ANYCABLE_SECRET: SECRET } })
  t.after(() => cable.stop('SIGTERM'))
  const { broadcast: url } = cable
  const key = broadcastKey({ secret: SECRET })
  const { app } = await testApp(t, { debug: { url, key } })
  const decode = async (text: string, path = '/debug/findings') => {
    const body = new FormData()
    body.set('text', text)
    return await (await app.request(path, { method: 'POST', body })).text()
  }
  return { app, decode, http: { url, key } }
}

const get = async (app: { request: (path: string) => Response | Promise<Response> }, path: string) =>
  (await app.request(path)).text()

test('without the option there is no /debug, and no link to it', async t => {
  const { app, post } = await testApp(t)

  assert.equal((await app.request('/debug')).status, 404)
  assert.equal((await post('/debug', { text: 'x' })).status, 404)
  assert.equal((await app.request('/debug/live')).status, 404)
  assert.doesNotMatch(await get(app, '/'), /debug/i)
})

test('every page links to /debug, and so do those of other Boards; scripts and streams stay as they are', async t => {
  const answers: Record<string, [type: string, body: string]> = {
    '/': ['text/html; charset=utf-8', '<nav><a href="/">é</a></nav><nav></nav>'],
    '/x.js': ['text/javascript', '"</nav>"'],
  }
  const { url } = await listen(t, (request, response) => {
    const [type, body] = answers[request.url!]!
    response
      .writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'x-kept': '1' })
      .end(body)
  })
  const debug = { url: `${DEAD}/_broadcast`, key: 'none' }
  const { app } = await testApp(t, { debug, neighbours: { python: url } })
  const link = '<a href="/debug">Debug</a>\n</nav>'

  for (const path of ['/', '/compare', '/nowhere']) assert.ok((await get(app, path)).includes(link), path)
  const board = await app.request('/python/')
  assert.equal(await board.text(), `<nav><a href="/">é</a>${link}<nav></nav>`)
  assert.deepEqual([board.headers.get('content-length'), board.headers.get('x-kept')], [null, '1'])
  assert.equal(await get(app, '/python/x.js'), '"</nav>"')
  assert.ok((await get(app, '/debug')).includes('<a href="/debug" aria-current="page">Debug</a>'))
})

test('a website whose name resolves to this machine can neither read nor ask /debug', async t => {
  const { app } = await testApp(t, { debug: { url: `${DEAD}/_broadcast`, key: 'none' } })
  const statuses = (host: string, more: Record<string, string> = {}) =>
    Promise.all(
      ['/debug', '/debug/live'].map(async path => (await app.request(path, { headers: { host, ...more } })).status),
    )

  for (const host of [
    'evil.example:3000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil.example.',
    '',
    ' ',
  ])
    assert.deepEqual(await statuses(host, { 'x-forwarded-host': 'localhost:3000' }), [403, 403], host)
  for (const host of [
    'localhost:3000',
    '127.0.0.1:3000',
    '192.168.0.7',
    '[::1]:3000',
    'web',
    'a.localhost',
    'box.local:80',
  ])
    assert.deepEqual(await statuses(host), [200, 200], host)
})

test('the page decodes with the keys of the cable, with and without its script', async t => {
  const { decode } = await debugged(t, '--dev')

  for (const path of ['/debug', '/debug/findings']) {
    const good = await decode(signStream('board/1', { secret: SECRET }), path)
    assert.match(good, /No fault found.*<dd><bdi>board\/1<\/bdi>/s)
    assert.match(await decode(issueToken({ id: 1 }, { secret: 'x' }), path), /1 fault.*<code>token_invalid<\/code>/s)
    assert.match(await decode('hello', path), /Nothing of the cable/)
  }
})

test('a pasted text is shown as text, even if it is HTML', async t => {
  const { decode } = await debugged(t, '--dev')
  const texts = [
    EVIL,
    signStream(EVIL, { secret: SECRET }),
    issueToken({ name: EVIL }, { secret: SECRET }),
    JSON.stringify({ channel: EVIL }),
    `<html><body><turbo-stream action="${EVIL.replaceAll('"', '')}">${EVIL}`,
  ]
  for (const text of texts)
    for (const path of ['/debug', '/debug/findings'])
      assert.doesNotMatch(await decode(text, path), /<script>alert|<img/)
})

test('a large page can be pasted, one that is too large is refused, and lines end as they were', async t => {
  const { decode } = await debugged(t, '--dev')

  assert.match(await decode(`<html>${' '.repeat(1 << 19)}</html>`), /page_metas_missing/)
  assert.match(await decode('x'.repeat((1 << 20) + 5000)), /longer than/)
  const { url } = await listen(t, async (request, response) => {
    const text = await bodyOf(request)
    response.end(JSON.stringify([{ kind: JSON.stringify(text), facts: [], faults: [], parts: [] }]))
  })
  const { app } = await testApp(t, { debug: { url, key: 'none' } })
  const body = new FormData()
  body.set('text', 'a\r\nb')
  assert.match(await (await app.request('/debug/findings', { method: 'POST', body })).text(), /&quot;a\\nb&quot;/)
})

test('the live part shows messages as text, and that nobody listened', async t => {
  const { app, http } = await debugged(t, '--dev')
  await broadcast(EVIL, EVIL, http)

  for (const path of ['/debug', '/debug/live']) {
    const page = await get(app, path)
    assert.match(page, /Broadcast while nobody listened<.*nobody listened/s)
    assert.doesNotMatch(page, /<script>alert|<img/)
  }
})

test('another site can neither ask nor read', async t => {
  const { app } = await debugged(t, '--dev')
  const headers = { 'sec-fetch-site': 'cross-site' }

  assert.equal((await app.request('/debug/findings', { method: 'POST', body: new FormData(), headers })).status, 403)
  const { headers: sent } = await app.request('/debug')
  assert.equal(sent.get('access-control-allow-origin'), null)
  assert.equal(sent.get('cache-control'), 'no-store')
  assert.match(sent.get('content-security-policy')!, /default-src 'self'/)
})

test('the page says why the cable shows nothing: it is away, has no --dev, or another key', async t => {
  const { app } = await debugged(t)
  assert.match(await get(app, '/debug'), /runs without --dev/)

  const { app: away } = await testApp(t, { debug: { url: `${DEAD}/_broadcast`, key: 'none' } })
  assert.match(await get(away, '/debug/live'), /does not answer/)

  const { http } = await debugged(t, '--dev')
  const { app: stranger } = await testApp(t, { debug: { ...http, key: 'other' } })
  assert.match(await get(stranger, '/debug'), /another key/)
})
