/** Clients with tokens of an identity provider, on the whole cable. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type JWTPayload, SignJWT } from 'jose'
import { EXTENDED } from '../../testing/client.ts'
import { events } from './event-reader.ts'
import {
  counted,
  METRICS,
  open,
  refused,
  token as secretToken,
  startCable,
  type TestCable,
  turbo,
} from './test-cable.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString()
const FLAGS = ['--jwt_identity_claim=sub', '--public_streams', '--sse', METRICS]

const sign = (claims: JWTPayload, kid = 'a'): Promise<string> =>
  new SignJWT({ sub: 'ada', ...claims }).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)

/** A cable with the key itself. */
const startWithKey = (t: TestContext, flags: string[] = []): Promise<TestCable> =>
  startCable(t, [`--jwt_public_key=${PEM}`, ...FLAGS, ...flags])

test('a client with a token of a provider connects, is this identity, and has its commands executed in order', async t => {
  const cable = await startWithKey(t)
  const jid = await sign({ exp: 4_102_444_800 })

  const byQuery = await cable.welcomed({ query: `?jid=${jid}` })
  const byHeader = await cable.welcomed({ headers: { 'x-jid': jid } })
  await byQuery.confirmed(open('room'))
  await byHeader.confirmed(open('room'))
  byHeader.command('whisper', open('room'), { data: 'hello' })
  assert.equal((await byQuery.next()).message, 'hello')
  assert.equal(await counted(cable, 'verified_total{kind="jwt",key="present"}'), 2)

  const answer = await cable.post({ command: 'disconnect', payload: { identifier: 'ada' } })
  assert.equal(answer.status, 201)
  for (const client of [byQuery, byHeader]) assert.equal((await client.next()).reason, 'remote')
})

test('a cable with a public key refuses a token that is signed with a secret, and a client without a token', async t => {
  const cable = await startWithKey(t)

  for (const [options, code] of [
    [{ query: `?jid=${secretToken({ sub: 'ada', ext: 'ada' })}` }, 'token_invalid'],
    [{ query: `?jid=${secretToken({ sub: 'ada' }, PEM)}` }, 'token_invalid'],
    [{ query: `?jid=${secretToken({ sub: 'ada' }, PEM.trim())}` }, 'token_invalid'],
    [{}, 'token_missing'],
  ] as const) {
    const before = await refused(cable, code)
    const client = await cable.connect(options)
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'unauthorized', reconnect: false })
    assert.equal(await refused(cable, code), before + 1)
  }
})

test('an expired token ends with token_expired, also on server-sent events', async t => {
  const cable = await startWithKey(t)
  const jid = await sign({ exp: 1 })

  const client = await cable.connect({ query: `?jid=${jid}` })
  assert.equal((await client.next()).reason, 'token_expired')
  const { response } = await events(t, cable, `?jid=${jid}&stream=room`)
  assert.deepEqual([response.status, await response.text()], [401, '{"error":"token_expired"}'])
})

test('a session ends when the token of a provider expires', async t => {
  const cable = await startWithKey(t, ['--jwt_close_on_expiry'])

  const client = await cable.welcomed({ query: `?jid=${await sign({ exp: Math.floor(Date.now() / 1000) + 2 })}` })

  assert.equal((await client.next()).reason, 'token_expired')
})

test('a client resumes its session with a token of a provider, and no other identity does', async t => {
  const cable = await startWithKey(t)
  const connect = async (sub: string, sid = '') =>
    cable.welcomed({ query: `?jid=${await sign({ sub })}&sid=${sid}`, protocols: EXTENDED })
  const lost = await connect('ada')
  await lost.confirmed(open('room'))
  lost.ws.terminate()
  await cable.until(({ lost_sessions }) => lost_sessions === 1)

  assert.equal((await connect('bob', String(lost.welcome.sid))).welcome.restored, undefined)
  assert.equal((await connect('ada', String(lost.welcome.sid))).welcome.restored, true)
})

test('clients reconnect while --jwks_url is down, and connect once it is up', async t => {
  let status = 500
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] }
  const provider = createServer((_, response) => void response.writeHead(status).end(JSON.stringify(keys)))
  await once(provider.listen(0, '127.0.0.1'), 'listening')
  t.after(() => provider.close())
  let now = 0
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/.well-known/jwks.json?key=canary`
  const cable = await startCable(t, [`--jwks_url=${url}`, ...FLAGS], { monotonic: () => now })
  const query = `?jid=${await sign({})}`

  const early = await cable.connect({ query })
  assert.deepEqual(await early.next(), { type: 'disconnect', reason: 'token_keys_unavailable', reconnect: true })
  assert.equal((await early.closed).code, 1013)
  const { response } = await events(t, cable, `${query}&stream=room`)
  assert.deepEqual([response.status, await response.text()], [200, 'retry: 3000\n\n'])

  status = 200
  now += 1000
  await cable.welcomed({ query })
  const listening = await events(t, cable, `${query}&stream=room`)
  assert.equal((await listening.next())?.event, 'welcome')
  assert.equal(await refused(cable, 'token_keys_unavailable'), 2)
})

test('a crowd of clients with unknown keys causes one request, and leaves nothing behind', async t => {
  let requests = 0
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] }
  const provider = createServer((_, response) => {
    requests++
    response.end(JSON.stringify(keys))
  })
  await once(provider.listen(0, '127.0.0.1'), 'listening')
  t.after(() => provider.close())
  let now = 0
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/`
  const cable = await startCable(t, [`--jwks_url=${url}`, ...FLAGS], { monotonic: () => now })
  await cable.welcomed({ query: `?jid=${await sign({})}` })
  now += 30_000

  const crowd = Array.from({ length: 100 }, async (_, n) => {
    const client = await cable.connect({ query: `?jid=${await sign({}, `x${n}`)}` })
    return String((await client.next()).reason)
  })

  for (const reason of await Promise.all(crowd)) assert.match(reason, /^(?:unauthorized|token_keys_unavailable)$/)
  assert.equal(requests, 2)
  assert.equal(await counted(cable, 'arriving_num'), 0)
  await cable.welcomed({ query: `?jid=${await sign({})}` })
})

/** A cable with a provider that answers when the test lets it. */
async function startWithSlowProvider(t: TestContext, flags: string[] = []) {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>()
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] }
  const provider = createServer(async (_, response) => {
    ask()
    await mayAnswer
    response.end(JSON.stringify(keys))
  })
  await once(provider.listen(0, '127.0.0.1'), 'listening')
  t.after(() => provider.close())
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/`
  let wall = Date.now()
  const cable = await startCable(t, [`--jwks_url=${url}`, ...FLAGS, ...flags], { wall: () => wall })
  const pass = (ms: number) => {
    wall += ms
  }
  return { cable, asked, answer, pass }
}

test('commands that a client sends while the keys are fetched are executed in order, and signed names still count', async t => {
  const { cable, asked, answer } = await startWithSlowProvider(t)
  const client = await cable.connect({ query: `?jid=${await sign({})}` })
  const identifiers = [...Array.from({ length: 20 }, (_, n) => open(`room/${n}`)), turbo('board/1')]
  for (const identifier of identifiers) client.command('subscribe', identifier)
  await asked

  answer()

  assert.equal((await client.next()).type, 'welcome')
  for (const identifier of identifiers)
    assert.deepEqual(await client.next(), { type: 'confirm_subscription', identifier })
})

test('clients that leave while the keys are fetched leave nothing behind', async t => {
  const { cable, asked, answer } = await startWithSlowProvider(t)
  const query = `?jid=${await sign({})}`
  const clients = await Promise.all(Array.from({ length: 10 }, () => cable.connect({ query })))
  const leaving = new AbortController()
  const address = `${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}${query}&stream=room`
  const reading = assert.rejects(fetch(address, { signal: leaving.signal }))
  await asked

  for (const [n, { ws }] of clients.entries()) n % 2 === 0 ? ws.terminate() : ws.close()
  leaving.abort()
  await reading
  await cable.until(({ sessions }) => sessions === 0)
  answer()

  await cable.welcomed({ query })
  await cable.until(({ sessions, lost_sessions: lost }) => sessions === 1 && lost === 0)
})

test('a token that expires while the keys are fetched begins no session', async t => {
  const { cable, asked, answer, pass } = await startWithSlowProvider(t, ['--jwt_close_on_expiry'])
  const query = `?jid=${await sign({ exp: Math.floor(Date.now() / 1000) + 60 })}`
  const client = await cable.connect({ query })
  const reading = events(t, cable, `${query}&stream=room`)
  await asked

  pass(61_000)
  answer()

  assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'token_expired', reconnect: false })
  const { response } = await reading
  assert.deepEqual([response.status, await response.text()], [401, '{"error":"token_expired"}'])
})
