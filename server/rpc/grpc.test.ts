/** RPC over gRPC, with an app of the tests that speaks plain HTTP/2. */
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { certificate } from '../../testing/certificate.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, type Fault, type RpcOptions } from '../../testing/rpc-script.ts'
import type { Call, CommandMessage, RpcFailure } from './controller.ts'
import { createGrpcController, type GrpcOptions } from './grpc.ts'

const ENV = { url: 'http://x/cable?a=1', headers: { cookie: 'a=1' }, cstate: { a: 'é' }, istate: { b: '2' } }
const COMMAND: CommandMessage = {
  command: 'message',
  identifier: channel(),
  connection_identifiers: '{"user":"1"}',
  ...act(),
  env: ENV,
}
const aCall = (more: Partial<Call> = {}): Call => ({
  sid: 's1',
  signal: new AbortController().signal,
  timeoutMs: 60_000,
  ...more,
})

function controllerOf(t: TestContext, host: string, options: Partial<GrpcOptions> = {}) {
  const controller = createGrpcController({ host, maxReceiveSize: 4 << 20, maxSendSize: 4 << 20, ...options })
  t.after(() => controller.close())
  return controller
}

async function startPair(t: TestContext, { app = {}, ...options }: Partial<GrpcOptions> & { app?: RpcOptions } = {}) {
  const server = await startRpcApp(t, 'grpc', app)
  return { app: server, controller: controllerOf(t, server.host, options) }
}

test('a command goes out whole, and its answer comes in whole', async t => {
  const { app, controller } = await startPair(t)
  const script = {
    status: 2,
    disconnect: true,
    streams: ['é'],
    env: { cstate: { a: '' } },
    presence: { type: 'leave', id: '1' },
  }

  const answer = await controller.command({ ...COMMAND, ...act(script) }, aCall())

  const { request, sid, protov } = await app.called('command')
  assert.deepEqual(
    { ...request, sid, protov },
    { ...COMMAND, ...act(script), identifiers: '', subscriptions: [], sid: 's1', protov: 'v1' },
  )
  assert.deepEqual(answer, {
    status: 2,
    disconnect: true,
    stop_streams: false,
    streams: ['é'],
    transmissions: [],
    error_msg: '',
    env: { cstate: { a: '' }, istate: {} },
    stopped_streams: [],
    presence: { type: 'leave', id: '1', info: '', ttl: 0 },
  })
})

test('a client connects, and disconnects', async t => {
  const { app, controller } = await startPair(t)

  const { identifiers, transmissions } = await controller.connect(
    { env: { ...ENV, url: `${ENV.url}&user=7` } },
    aCall(),
  )
  await controller.disconnect({ identifiers, subscriptions: ['{}'], env: ENV }, aCall())

  assert.deepEqual([identifiers, transmissions], ['{"user":"7"}', ['{"type":"welcome","sid":"s1"}']])
  const { request } = await app.called('disconnect')
  assert.deepEqual([request.identifiers, request.subscriptions, request.env], [identifiers, ['{}'], ENV])
})

const FAULTS: readonly (readonly [Fault, RpcFailure])[] = [
  ['drop', 'unavailable'],
  ['unavailable', 'unavailable'],
  ['exhausted', 'exhausted'],
  ['garbage', 'malformed'],
  ['unauthorized', 'unauthorized'],
  ['refused', 'refused'],
  ['crash', 'failed'],
]
for (const [fault, code] of FAULTS)
  test(`a call fails as ${code}, and the next one succeeds: ${fault}`, async t => {
    const { app, controller } = await startPair(t)
    app.before = () => fault

    await assert.rejects(controller.command(COMMAND, aCall()), { name: 'RpcFailed', code })

    app.before = () => undefined
    assert.equal((await controller.command(COMMAND, aCall())).status, 1)
  })

test('a status that does not exist is malformed', async t => {
  const { controller } = await startPair(t)

  await assert.rejects(controller.command({ ...COMMAND, ...act({ status: 7 }) }, aCall()), { code: 'malformed' })
})

test('a call that has no answer in time fails', async t => {
  const { app, controller } = await startPair(t)
  app.before = () => 'hang'

  await assert.rejects(controller.command(COMMAND, aCall({ timeoutMs: 50 })), { code: 'timed_out' })

  await (await app.called('command')).canceled
})

test('a call is canceled at the server once its client has gone', async t => {
  const { app, controller } = await startPair(t)
  app.before = () => 'hang'
  const gone = new AbortController()
  const answer = controller.command(COMMAND, aCall({ signal: gone.signal }))
  const { canceled } = await app.called('command')

  gone.abort()

  await assert.rejects(answer, { code: 'canceled' })
  await canceled
  await assert.rejects(controller.command(COMMAND, aCall({ signal: gone.signal })), { code: 'canceled' })
  assert.equal(app.calls.length, 1)
})

test('a server that is away is found again at the same port', async t => {
  const { app, controller } = await startPair(t)
  await controller.command(COMMAND, aCall())
  await app.stop()
  await assert.rejects(controller.command(COMMAND, aCall()), { code: 'unavailable' })

  await app.start()

  for (;;) {
    const answer = await controller.command(COMMAND, aCall()).catch(error => error)
    if (answer.status === 1) break
    assert.equal(answer.code, 'unavailable')
  }
})

test('an answer of nearly 4 MiB is read, and a larger one is malformed, not repeated', async t => {
  const { app, controller } = await startPair(t)
  const answers = (bytes: number) => {
    app.before = () => ({ status: 1, transmissions: ['x'.repeat(bytes)] })
  }
  answers((4 << 20) - 100)
  assert.equal((await controller.command(COMMAND, aCall())).transmissions[0]?.length, (4 << 20) - 100)
  answers(4 << 20)

  const error = await controller.command(COMMAND, aCall()).catch(error => error)

  assert.deepEqual([error.code, error.isToRepeat], ['malformed', false])
  const { controller: large } = await startPair(t, { maxReceiveSize: 5 << 20 })
  const script = { transmissions: ['x'.repeat(1000)] }
  assert.equal((await large.command({ ...COMMAND, ...act(script) }, aCall())).status, 1)
})

test('a request beyond the limit is not sent', async t => {
  const { app, controller } = await startPair(t, { maxSendSize: 1000 })

  await assert.rejects(controller.command({ ...COMMAND, ...act({}, { x: 'x'.repeat(1000) }) }, aCall()), {
    code: 'malformed',
  })

  assert.equal(app.calls.length, 0)
})

test('servers of a list are asked in turn, and one that is away is left out', async t => {
  const [one, two] = [await startRpcApp(t, 'grpc'), await startRpcApp(t, 'grpc')]
  const controller = controllerOf(t, `grpc-list://${one.host},${two.host}`)
  for (let call = 0; call < 4; call++) await controller.command(COMMAND, aCall())
  assert.deepEqual([one.calls.length, two.calls.length], [2, 2])
  await one.stop()
  await Promise.allSettled([1, 2].map(() => controller.command(COMMAND, aCall())))
  const before = two.calls.length

  for (let call = 0; call < 4; call++) await controller.command(COMMAND, aCall()).catch(() => {})

  assert.ok(two.calls.length >= before + 3)
})

test('a name is looked up again when its server has gone', async t => {
  const old = await startRpcApp(t, 'grpc')
  let address = '127.0.0.1'
  t.mock.method(dns.promises, 'lookup', async () => [{ address, family: 4 }])
  const controller = controllerOf(t, `dns:///app.test:${old.port}`)
  await controller.command(COMMAND, aCall())
  assert.equal(old.calls.length, 1)

  address = '127.0.0.2'
  await old.stop()
  // At the same port, as the pods of a service.
  const moved = await startRpcApp(t, 'grpc', { host: '127.0.0.2', port: old.port })

  while ((await controller.command(COMMAND, aCall()).catch(() => undefined)) === undefined);
  assert.equal(moved.calls.length, 1)
})

test('over TLS the certificate counts, unless nothing is to be verified', async t => {
  const [cert, key] = certificate(t).map(file => readFileSync(file, 'utf8')) as [string, string]
  const app = await startRpcApp(t, 'grpc', { tls: { cert, key } })
  const host = `localhost:${app.port}`
  const answer = (options: Partial<GrpcOptions>) => controllerOf(t, host, options).command(COMMAND, aCall())

  assert.equal((await answer({ tls: { rootCa: cert, verify: true } })).status, 1)
  assert.equal((await answer({ tls: { verify: false } })).status, 1)
  await assert.rejects(answer({ tls: { verify: true } }), { code: 'unavailable' })
  await assert.rejects(answer({}), { code: 'unavailable' })
})

test('a server of HTTP that knows no gRPC is no app', async t => {
  const app = await startRpcApp(t, 'http')
  const controller = controllerOf(t, `127.0.0.1:${app.port}`)

  await assert.rejects(controller.command(COMMAND, aCall({ timeoutMs: 2_000 })), { name: 'RpcFailed' })
})
