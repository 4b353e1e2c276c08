/** The HTTP transport, against a real server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startRpcApp } from '../../testing/rpc-app.ts'
import type { Fault } from '../../testing/rpc-script.ts'
import { type CommandMessage, RpcFailed, type RpcFailure } from './controller.ts'
import { createHttpController } from './http.ts'

const ENV = { url: 'http://app.test/cable', headers: { cookie: 'a=ü' }, cstate: {}, istate: { room: '1' } }
const COMMAND: CommandMessage = {
  ...{ command: 'subscribe', identifier: '{"channel":"É"}', connection_identifiers: '{}', data: '', env: ENV },
}
const call = (more: object = {}) => ({ sid: 'sid', signal: new AbortController().signal, timeoutMs: 60_000, ...more })

const failsWith = (code: RpcFailure) => (error: unknown) => {
  assert.ok(error instanceof RpcFailed, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

async function serve(t: TestContext, handle: RequestListener, path = '/_anycable') {
  const server = createServer(handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  return controller(t, url)
}

function controller(t: TestContext, url: string, key = '', maxReceiveSize = 16 << 20) {
  const made = createHttpController({ url, key, maxReceiveSize })
  t.after(() => made.close())
  return made
}

test('a request has the names of the protocol, the key and the metadata, and leaves out what is empty', async t => {
  const requests: unknown[] = []
  const made = await serve(t, async (request, response) => {
    const { authorization, 'x-anycable-meta-sid': sid, 'x-anycable-meta-protov': protov } = request.headers
    requests.push([request.method, request.url, authorization, sid, protov, await text(request)])
    response.end('{"status":1}')
  })
  await made.command(COMMAND, call())
  await made.disconnect({ identifiers: '', subscriptions: [], env: ENV }, call())

  const env = '{"url":"http://app.test/cable","headers":{"cookie":"a=ü"},"istate":{"room":"1"}}'
  const command = `{"command":"subscribe","identifier":"{\\"channel\\":\\"É\\"}","connection_identifiers":"{}","env":${env}}`
  assert.deepEqual(requests, [
    ['POST', '/_anycable/command', undefined, 'sid', 'v1', command],
    ['POST', '/_anycable/disconnect', undefined, 'sid', 'v1', `{"env":${env}}`],
  ])
})

test('the key is sent as its UTF-8 bytes, and a wrong one is a failure that says so', async t => {
  const app = await startRpcApp(t, 'http', { secret: Buffer.from('clé').toString('latin1') })

  assert.equal((await controller(t, app.host, 'clé').connect({ env: ENV }, call())).status, 1)
  await assert.rejects(controller(t, app.host, 'key').connect({ env: ENV }, call()), failsWith('unauthorized'))
})

test('an answer has every field: what is absent, or null, is empty', async t => {
  const answers = ['{"status":1,"env":null,"presence":null}', '{"transmissions":["a"],"env":{"cstate":{"a":""}}}', '{}']
  const made = await serve(t, (_, response) => response.end(answers.shift()))

  assert.deepEqual(await made.command(COMMAND, call()), {
    ...{ status: 1, error_msg: '', disconnect: false, stop_streams: false, streams: [], stopped_streams: [] },
    ...{ transmissions: [], env: { cstate: {}, istate: {} }, presence: undefined },
  })
  assert.deepEqual(await made.connect({ env: ENV }, call()), {
    ...{ status: 0, error_msg: '', identifiers: '', transmissions: ['a'], env: { cstate: { a: '' }, istate: {} } },
  })
  assert.deepEqual(await made.disconnect({ identifiers: '', subscriptions: [], env: ENV }, call()), {
    ...{ status: 0, error_msg: '' },
  })
})

test('an answer that is not one of the protocol is a failure, and no part of it gets into the log', async t => {
  const answers = [
    ...['', 'canary', '[]', 'null', '{"status":"SUCCESS"}', '{"status":3}', '{"status":1,"streams":"canary"}'],
    ...[
      '{"streams":[1]}',
      '{"disconnect":1}',
      '{"env":[]}',
      '{"env":{"istate":{"canary":1}}}',
      '{"presence":"canary"}',
    ],
    ...['{"error_msg":{}}', '<h1>canary</h1>'],
  ]
  const made = await serve(t, (_, response) => response.end(answers[0]))
  for (; answers.length > 0; answers.shift())
    await assert.rejects(made.command(COMMAND, call()), error => {
      assert.doesNotMatch(String(error), /canary/)
      return failsWith('malformed')(error)
    })
})

for (const [fault, code] of [
  ['drop', 'unavailable'],
  ['garbage', 'malformed'],
  ['unavailable', 'unavailable'],
  ['exhausted', 'exhausted'],
  ['unauthorized', 'unauthorized'],
  ['refused', 'refused'],
  ['crash', 'failed'],
] as const satisfies [Fault, RpcFailure][]) {
  test(`a server that answers with the fault ${fault}: ${code}; the next call may succeed`, async t => {
    const app = await startRpcApp(t)
    const made = controller(t, app.host)
    app.before = () => fault
    await assert.rejects(made.connect({ env: ENV }, call()), failsWith(code))
    app.before = () => undefined

    assert.equal((await made.connect({ env: ENV }, call())).status, 1)
  })
}

test('a server that does not answer in time, or is not there, is a failure', async t => {
  const app = await startRpcApp(t)
  const made = controller(t, app.host)
  app.before = () => 'hang'
  await assert.rejects(made.connect({ env: ENV }, call({ timeoutMs: 20 })), failsWith('timed_out'))
  await app.calls[0]!.canceled
  await app.stop()

  await assert.rejects(made.connect({ env: ENV }, call()), failsWith('unavailable'))
  await assert.rejects(controller(t, 'http://127.0.0.1:1/').connect({ env: ENV }, call()), failsWith('unavailable'))
})

test('a call that its caller aborts ends at once, on both sides', async t => {
  const app = await startRpcApp(t)
  const made = controller(t, app.host)
  app.before = () => 'hang'
  const aborter = new AbortController()
  const calling = made.connect({ env: ENV }, call({ signal: aborter.signal }))
  const { canceled } = await app.called('connect')
  aborter.abort()

  await assert.rejects(calling, failsWith('canceled'))
  await canceled
  await assert.rejects(made.connect({ env: ENV }, call({ signal: aborter.signal })), failsWith('canceled'))
  assert.equal(app.calls.length, 1)
})

test('an answer of 4 MiB is taken; one beyond the limit is a failure, and its connection ends', async t => {
  const app = await startRpcApp(t)
  app.before = () => ({ status: 1, transmissions: ['x'.repeat(4 << 20)] })

  const { transmissions } = await controller(t, app.host).command(COMMAND, call())
  assert.equal(transmissions[0]!.length, 4 << 20)
  await assert.rejects(controller(t, app.host, '', 1 << 20).command(COMMAND, call()), failsWith('malformed'))
})

test('a path may end with a slash', async t => {
  let seen: unknown
  const handle: RequestListener = (request, response) => {
    seen = request.url
    response.end('{"status":1}')
  }
  await (await serve(t, handle, '/_anycable/')).connect({ env: ENV }, call())
  assert.equal(seen, '/_anycable/connect')
})
