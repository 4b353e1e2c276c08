/**
 * An application that is away, slow, busy or wrong: that is no refusal, and other clients do not notice.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, type Fault } from '../../testing/rpc-script.ts'
import { counted, METRICS, open, refused, SECRET, startCable, token } from './test-cable.ts'

const KEY = createHmac('sha256', SECRET).update('rpc-cable').digest('hex')
const ADA = `?jid=${token({ ext: '{"user":"ada"}' })}`

async function start(t: TestContext, flags: string[] = []) {
  const app = await startRpcApp(t, 'http', { secret: KEY })
  const cable = await startCable(t, [`--rpc_host=${app.host}`, METRICS, '--public_streams', ...flags])
  return { app, cable }
}

for (const fault of ['drop', 'garbage', 'unavailable', 'exhausted', 'crash', { status: 0 }] as const) {
  test(`a subscribe that meets ${JSON.stringify(fault)} is tried again, and then granted once`, async t => {
    const { app, cable } = await start(t)
    const client = await cable.welcomed({ query: ADA })
    let left = 2
    app.before = () => (left-- > 0 ? (fault as Fault) : undefined)
    const chat = channel({ streams: ['chat'] })
    for (let n = 0; n < 3; n++) client.command('subscribe', chat)
    client.send({ command: 'ping' })

    const frames = await client.until(({ type }) => type === 'pong')
    assert.deepEqual(
      frames.map(({ type }) => type),
      ['confirm_subscription', 'pong'],
    )
    assert.equal(app.calls.length, 3)
  })
}

test('a client whose subscribe has no answer for 6 to 8 s has to come again, and others do not wait meanwhile', async t => {
  const { app, cable } = await start(t)
  const [client, other] = [await cable.welcomed({ query: ADA }), await cable.welcomed({ query: ADA })]
  await app.stop()
  const started = performance.now()
  client.command('subscribe', channel())
  await other.confirmed(open('room'))
  await cable.broadcast('room', 'hello')
  assert.equal((await other.next()).message, 'hello')

  const { type, reason, reconnect } = await client.next()
  assert.deepEqual([type, reason, reconnect], ['disconnect', 'rpc_unavailable', true])
  assert.equal((await client.closed).code, 1013)
  const waited = performance.now() - started
  assert.ok(waited > 5_000, `after ${waited} ms`)
  assert.equal(await refused(cable, 'rpc_unavailable'), 1)
})

for (const fault of ['unauthorized', 'refused'] as const) {
  test(`a subscribe that meets ${fault} is not tried again; the client has to come again`, async t => {
    const { app, cable } = await start(t)
    const client = await cable.welcomed({ query: ADA })
    app.before = () => fault
    client.command('subscribe', channel())

    assert.equal((await client.next()).reason, 'rpc_unavailable')
    assert.equal(app.calls.length, 1)
  })
}

test('a client that the app cannot be asked about has to come again', async t => {
  const { app, cable } = await start(t, ['--rpc_command_timeout=300'])
  for (const fault of ['unauthorized', 'crash', 'garbage', { status: 0 }, 'unavailable'] as const) {
    app.before = () => fault as Fault
    const client = await cable.connect()
    const { reason, reconnect } = await client.next()
    assert.deepEqual([reason, reconnect], ['rpc_unavailable', true])
    assert.equal((await client.closed).code, 1013)
  }
  app.before = () => undefined
  await cable.welcomed()
})

test('an app that restarts is found again: actions wait for it, and no client notices', async t => {
  const { app, cable } = await start(t)
  const clients = await Promise.all(Array.from({ length: 30 }, () => cable.welcomed({ query: ADA })))
  const chat = channel({ streams: ['chat'] })
  for (const client of clients) await client.confirmed(chat)
  await app.stop()
  for (const [n, client] of clients.entries()) client.command('message', chat, act({ transmissions: [`{"n":${n}}`] }))
  while ((await counted(cable, 'rpc_retries_total')) < 30) await setImmediate()
  await app.start()

  for (const [n, client] of clients.entries()) assert.equal((await client.next()).n, n)
  assert.equal(await counted(cable, 'rpc_error_total'), 0)
})

test('an action that has no answer in time is lost, and the client stays', async t => {
  const { app, cable } = await start(t, ['--rpc_request_timeout=50'])
  const client = await cable.welcomed({ query: ADA })
  const chat = channel({ streams: ['chat'] })
  await client.confirmed(chat)
  app.before = () => 'hang'
  client.command('message', chat, act({ stop_streams: true }))
  client.command('unsubscribe', chat)
  client.send({ command: 'ping' })

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await counted(cable, 'rpc_timeout_total'), 2)
  assert.equal(await refused(cable, 'rpc_unavailable'), 2)
  await cable.until(({ streams }) => streams === 0)
})

test('calls of a client that has left are canceled: its connect, and its subscribe', async t => {
  const { app, cable } = await start(t)
  app.before = () => 'hang'
  const arriving = await cable.connect()
  const { canceled } = await app.called('connect')
  await arriving.drop()
  await canceled
  const client = await cable.welcomed({ query: ADA })
  client.command('subscribe', channel())
  const subscribe = await app.called('command')
  await client.drop()
  await subscribe.canceled
  await cable.until(({ sessions }) => sessions === 0)
  assert.equal(await counted(cable, 'rpc_canceled_total'), 2)
})

test('the last action of a client that leaves reaches the app, before the app hears that it has gone', async t => {
  const { app, cable } = await start(t)
  const client = await cable.welcomed({ query: ADA })
  const chat = channel()
  await client.confirmed(chat)
  const hold = Promise.withResolvers<undefined>()
  app.before = ({ request }) => (request.command === 'message' ? hold.promise : undefined)
  client.command('message', chat, act({}, { n: 1 }))
  client.command('message', chat, act({}, { n: 2 }))
  await app.called('command')
  await client.drop()
  hold.resolve(undefined)
  await app.called('disconnect')

  assert.deepEqual(
    app.calls.map(({ method, request }) => request.command || method),
    ['subscribe', 'message', 'message', 'disconnect'],
  )
})

test('a call waits for its turn; more than may wait are refused, but not an unsubscribe', async t => {
  const { app, cable } = await start(t, ['--rpc_concurrency=1', '--max_rpc_waiting=1'])
  const clients = await Promise.all(Array.from({ length: 4 }, () => cable.welcomed({ query: ADA })))
  const chat = channel({ streams: ['chat'] })
  for (const client of clients) await client.confirmed(chat)
  const hold = Promise.withResolvers<undefined>()
  app.before = () => hold.promise
  const [first, second, third, fourth] = clients
  first!.command('message', chat, act({ transmissions: ['{"n":1}'] }))
  second!.command('message', chat, act({ transmissions: ['{"n":2}'] }))
  while ((await counted(cable, 'rpc_pending_num')) < 1) await setImmediate()
  third!.command('message', chat, act({ transmissions: ['{"n":3}'] }))
  third!.send({ command: 'ping' })
  assert.equal((await third!.next()).type, 'pong')
  fourth!.command('unsubscribe', chat)
  while ((await counted(cable, 'rpc_pending_num')) < 2) await setImmediate()
  hold.resolve(undefined)

  assert.deepEqual([(await first!.next()).n, (await second!.next()).n], [1, 2])
  fourth!.send({ command: 'ping' })
  assert.equal((await fourth!.next()).type, 'pong')
  assert.equal(await counted(cable, 'rpc_refused_total'), 1)
  assert.equal(app.calls.filter(({ request }) => request.command === 'unsubscribe').length, 1)
})

test('an answer of 4 MiB reaches the client as it is', async t => {
  const { app, cable } = await start(t, [`--ws_max_pending_size=${16 << 20}`])
  const client = await cable.welcomed({ query: ADA })
  const chat = channel()
  await client.confirmed(chat)
  app.before = () => ({ status: 1, transmissions: [`{"x":"${'x'.repeat(4 << 20)}"}`] })
  client.command('message', chat, act())

  assert.equal((await client.next()).x, 'x'.repeat(4 << 20))
})

test('the log says what an app did wrong, and holds no text of a client', async t => {
  const { app, cable } = await start(t)
  const client = await cable.welcomed({ query: ADA })
  const chat = channel({}, { canary: 'canary' })
  await client.confirmed(chat)
  app.before = () => ({ status: 0, error_msg: 'NoMethodError in RoomChannel' })
  client.command('message', chat, act())
  client.send({ command: 'ping' })
  await client.next()

  const lines = cable.lines.filter(line => line.includes('rpc_failed'))
  assert.match(lines.join(''), /method=message.*NoMethodError in RoomChannel/)
})
