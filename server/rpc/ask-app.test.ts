/** One question to an app over HTTP: the request, and what counts as an answer. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createAskApp, reasonOf } from './ask-app.ts'

const QUESTION = { identity: '{"name":"Zoë"}', stream: 'private/né', headers: { cookie: 'a=b' } }
const { signal } = new AbortController()

async function start(t: TestContext, answer: (response: ServerResponse, request: IncomingMessage) => void) {
  const server = createServer((request, response) => answer(response, request)).listen(0, '127.0.0.1')
  await new Promise(listening => server.once('listening', listening))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/subscribe?a=b`
  return createAskApp({ url, key: 'kéy' }, () => 1_000_000)
}

test('a question is a POST with the key, and JSON with the identity, the stream and the headers', async t => {
  const seen: unknown[] = []
  const ask = await start(t, async (response, request) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method, url, headers } = request
    const key = Buffer.from(headers.authorization!, 'latin1').toString()
    seen.push(method, url, key, headers['content-type'], JSON.parse(Buffer.concat(chunks).toString()))
    response.end('{"allowed":true}')
  })

  assert.deepEqual(await ask(QUESTION, signal), { allowed: true, until: undefined })
  assert.deepEqual(seen, ['POST', '/subscribe?a=b', 'Bearer kéy', 'application/json', QUESTION])
})

for (const [text, answer] of [
  ['{"allowed":true,"until":1001}', { allowed: true, until: 1001 }],
  ['{"allowed":true,"until":1000.5,"more":1}', { allowed: true, until: 1000.5 }],
  ['{"allowed":true,"until":null}', { allowed: true, until: undefined }],
  ['{"allowed":false,"until":1}', { allowed: false }],
] as const)
  test(`${text} is an answer`, async t => {
    const ask = await start(t, response => response.end(text))
    assert.deepEqual(await ask(QUESTION, signal), answer)
  })

for (const [text, reason] of [
  ['', 'an answer that is not JSON'],
  ['<h1>Sign in</h1>', 'an answer that is not JSON'],
  ['true', 'an answer that is not an object'],
  ['null', 'an answer that is not an object'],
  ['{}', 'an answer without "allowed": true or false'],
  ['{"allowed":1}', 'an answer without "allowed": true or false'],
  ['{"allowed":"true"}', 'an answer without "allowed": true or false'],
  ['{"allowed":true,"until":"2027-01-01"}', 'an answer with an "until" that is not Unix time in seconds'],
  ['{"allowed":true,"until":1000}', 'an answer with an "until" in the past: compare the clocks'],
  [`{"allowed":true,"more":"${'x'.repeat(20_000)}"}`, 'an answer of more than 16384 bytes'],
] as const)
  test(`${text.slice(0, 40)} is a failure, not a refusal`, async t => {
    const ask = await start(t, response => response.end(text))
    await assert.rejects(ask(QUESTION, signal), { message: reason })
  })

for (const [status, reason] of [
  [401, 'status 401: it does not accept the key'],
  [403, 'status 403'],
  [302, 'status 302'],
  [204, 'status 204'],
  [500, 'status 500'],
] as const)
  test(`status ${status} is a failure, not a refusal`, async t => {
    const ask = await start(t, response => response.writeHead(status, { location: '/' }).end())
    await assert.rejects(ask(QUESTION, signal), { message: reason })
  })

test('a broken connection is a failure whose reason says so', async t => {
  const ask = await start(t, response => response.destroy())

  await assert.rejects(ask(QUESTION, signal), error => /UND_ERR_SOCKET|ECONNRESET/.test(reasonOf(error)))
})

test('an aborted question ends its request', async t => {
  const closed = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const ask = await start(t, response => {
    response.on('close', closed.resolve)
    asked.resolve()
  })
  const attempt = new AbortController()
  const answer = ask(QUESTION, attempt.signal)
  await asked.promise
  attempt.abort()

  await assert.rejects(answer, { name: 'AbortError' })
  await closed.promise
})
