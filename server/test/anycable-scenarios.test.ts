/**
 * The scenarios with which AnyCable tests its own features: their command lines, unchanged but for free ports, and what their
 * clients expect.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { readConfig } from '../config/read.ts'
import { type Event, events } from './event-reader.ts'
import { sign, startCable, type TestCable, token } from './test-cable.ts'

const FREE_PORTS = ['--port=0', '--http_broadcast_port=0']
/** What startCable gives a cable. */
const WITHOUT_USUAL = ['--secret=none', '--turbo_streams=false']
const RPC_METRICS = 'rpc_call_total,rpc_error_total,rpc_retries_total'
const LOGGED = ['--metrics_rotate_interval=1', '--metrics_log', `--metrics_log_filter=${RPC_METRICS}`]

/** Reads the command line as it is, then starts it on free ports. */
async function start(t: TestContext, argv: readonly string[], ports: readonly string[] = []): Promise<TestCable> {
  const { warnings } = readConfig(argv, {})
  assert.deepEqual(
    warnings.filter(warning => !warning.startsWith('public: ')),
    [],
  )
  return await startCable(t, [...WITHOUT_USUAL, ...argv, ...FREE_PORTS, ...ports])
}

const jid = (secret: string): string => token({ ext: '{}', exp: Math.floor(Date.now() / 1000) + 60 }, secret)

const identifierOf = (channel: string, params: object): string => JSON.stringify({ channel, ...params })

/** Waits for a line of metrics, and checks that none counts a call of an RPC server. */
async function callsNoRpc(cable: TestCable): Promise<void> {
  while (!cable.lines.some(line => line.includes('INF metrics context=metrics'))) await setImmediate()
  assert.doesNotMatch(cable.lines.join(''), /rpc_call_total=[1-9]/)
}

test('jwt: a token comes by query, by header, or as a subprotocol; a client without one is refused', async t => {
  const cable = await start(t, ['--secret=qwerty', '--jwt_param=token', '--enforce_jwt', ...LOGGED])
  const good = jid('qwerty')

  await (await cable.connect({ query: `?token=${good}` })).welcomed()
  await (await cable.connect({ headers: { 'x-token': good } })).welcomed()
  // (The ws client fails without an answer to its subprotocols, and the cable answers none to a token alone.)
  const offered = { 'sec-websocket-protocol': `anycable-token.${good}` }
  await (await cable.connect({ protocols: [], headers: offered })).welcomed()
  const { type, reason } = await (await cable.connect()).next()
  assert.deepEqual({ type, reason }, { type: 'disconnect', reason: 'unauthorized' })
  await callsNoRpc(cable)
})

test('standalone: a signed stream of $pubsub is confirmed, and a client without a token gets exactly this refusal', async t => {
  const cable = await start(t, ['--secret=s3Krit', '--norpc'])

  const client = await cable.welcomed({ query: `?jid=${jid('s3Krit')}` })
  await client.confirmed(identifierOf('$pubsub', { signed_stream_name: sign('chat/2023', 's3Krit') }))

  const stranger = await cable.connect()
  assert.deepEqual(await stranger.next(), { type: 'disconnect', reason: 'unauthorized', reconnect: false })
})

test('streams: with --public a client without a token subscribes to an unsigned stream', async t => {
  const cable = await start(t, ['--public', ...LOGGED])

  const client = await cable.welcomed()
  await client.confirmed(identifierOf('$pubsub', { stream_name: 'stream/2023' }))
  await callsNoRpc(cable)
})

test('turbo without rpc: the older names of both keys are enough', async t => {
  const cable = await start(t, ['--turbo_rails_key=s3Krit', '--jwt_id_key=qwerty', ...LOGGED])

  const client = await cable.welcomed({ query: `?jid=${jid('qwerty')}` })
  await client.confirmed(identifierOf('Turbo::StreamsChannel', { signed_stream_name: sign('chat/2023', 's3Krit') }))
  await callsNoRpc(cable)
})

test('ping: a client chooses its own interval', async t => {
  const cable = await start(t, ['--noauth', '--ping_interval=10'])

  const client = await cable.connect({ query: '?pi=1', pings: true })

  assert.equal((await client.next()).type, 'welcome')
  assert.equal((await client.next()).type, 'ping')
})

test('sse: a client gets events, resumes by Last-Event-ID, asks for history since a time, and reads raw events', async t => {
  const flags = ['--sse', '--public_streams', '--secret=qwerty', '--api_port=8082', '--broadcast_adapter=http']
  const cable = await start(t, [...flags, '--presets=broker'], ['--api_port=0'])
  const good = jid('qwerty')
  const since = Math.floor(Date.now() / 1000)
  const key = 'bdd0244b3664404d03b7d0c2f1b946dc4fc6c13fdcbfa2be62a4a28deb04d096'
  const query = `?identifier=${encodeURIComponent(identifierOf('$pubsub', { stream_name: 'chat/2023' }))}`
  const broadcast = async (text: string) => {
    const { status } = await fetch(`${cable.url.api}/publish`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ stream: 'chat/2023', data: JSON.stringify({ text }) }),
    })
    assert.equal(status, 201)
  }
  const textOf = (event: Event | undefined): string => JSON.parse(event!.data!).text

  const first = await events(t, cable, `${query}&jid=${good}`)
  assert.equal((await first.next())?.event, 'welcome')
  assert.equal((await first.next())?.event, 'confirm_subscription')
  await broadcast('Hello')
  assert.equal(textOf(await first.next()), 'Hello')
  const { lastEventId } = first
  first.abort()
  await broadcast('Again')

  const second = await events(t, cable, `${query}&jid=${good}`, { lastEventId })
  assert.equal((await second.next())?.event, 'welcome')
  assert.equal((await second.next())?.event, 'confirm_subscription')
  assert.equal(textOf(await second.next()), 'Again')

  const third = await events(t, cable, `${query}&jid=${good}&history_since=${since}`)
  assert.equal((await third.next())?.event, 'welcome')
  assert.equal((await third.next())?.event, 'confirm_subscription')
  assert.deepEqual([textOf(await third.next()), textOf(await third.next())], ['Hello', 'Again'])
  assert.equal((await third.next())?.event, 'confirm_history')

  const raw = await events(t, cable, `${query}&raw=1&history_since=${since}`, { headers: { 'x-jid': good } })
  assert.deepEqual([textOf(await raw.next()), textOf(await raw.next())], ['Hello', 'Again'])
  await broadcast('Raw')
  assert.equal(textOf(await raw.next()), 'Raw')
})
