/**
 * Server-sent events of an application's channels: it is asked before the answer begins.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { channel, visit } from '../../testing/rpc-script.ts'
import { events, eventsUrl } from './event-reader.ts'
import { METRICS, open, startCable, token } from './test-cable.ts'

async function start(t: TestContext, flags: string[] = []) {
  const app = await startRpcApp(t)
  const cable = await startCable(t, [
    ...[`--rpc_host=${app.host}`, '--http_rpc_secret=none', '--sse', METRICS, '--public_streams', ...flags],
  ])
  return { app, cable }
}

const query = (identifier: string, connect: object = {}) => visit(connect, { identifier })

test('the words of the app become events, before the messages of its streams', async t => {
  const { app, cable } = await start(t)
  const chat = channel({ streams: ['chat'], transmissions: ['{"identifier":"x","type":"confirm_subscription"}'] })
  const stream = await events(t, cable, query(chat))

  assert.equal((await stream.next())?.event, 'welcome')
  assert.deepEqual(await stream.next(), {
    ...{ event: 'confirm_subscription', data: '{"type":"confirm_subscription","identifier":"x"}' },
  })
  await cable.broadcast('chat', 'hello')
  assert.equal((await stream.next())?.data, 'hello')
  stream.abort()
  const { request } = await app.called('disconnect')
  assert.deepEqual(request.subscriptions, [chat])
  assert.equal(request.env.url, eventsUrl(cable, query(chat)))
})

test('a client that the app refuses gets 401, and a subscription that it rejects 400', async t => {
  const { app, cable } = await start(t)
  const refused = await events(t, cable, query(channel(), { status: 2 }))
  assert.equal(refused.response.status, 401)
  const rejected = await events(t, cable, query(channel({ status: 2 })))
  assert.equal(rejected.response.status, 400)
  await app.called('disconnect')

  assert.deepEqual(
    app.calls.map(({ method }) => method),
    ['connect', 'connect', 'command', 'disconnect'],
  )
})

test('while the app is away, a browser gets an answer after which it comes again', async t => {
  const { app, cable } = await start(t, ['--rpc_command_timeout=100'])
  await app.stop()
  const connecting = await events(t, cable, query(channel()))
  assert.deepEqual([connecting.response.status, (await connecting.next())?.retry], [200, '3000'])

  const jid = token({ ext: 'ada' })
  const subscribing = await events(t, cable, `?identifier=${encodeURIComponent(channel())}&jid=${jid}`)
  assert.deepEqual([subscribing.response.status, (await subscribing.next())?.retry], [200, '3000'])
  await app.start()
  let event: Awaited<ReturnType<typeof subscribing.next>>
  do event = await (await events(t, cable, query(channel({ streams: ['chat'] })))).next()
  while (event?.retry !== undefined)
  assert.equal(event?.event, 'welcome')
})

test('a client that leaves while the app is asked cancels the question', async t => {
  const { app, cable } = await start(t)
  app.before = ({ method }) => (method === 'disconnect' ? undefined : 'hang')
  const aborter = new AbortController()
  const connecting = fetch(eventsUrl(cable, query(channel())), aborter)
  const connect = await app.called('connect')
  aborter.abort()
  await assert.rejects(connecting)
  await connect.canceled

  const other = new AbortController()
  const jid = token({ ext: 'ada' })
  const both = [open('room'), channel()].map(each => `identifier=${encodeURIComponent(each)}`).join('&')
  const subscribing = fetch(eventsUrl(cable, `?${both}&jid=${jid}`), other)
  const subscribe = await app.called('command')
  other.abort()
  await assert.rejects(subscribing)
  await subscribe.canceled
  await cable.until(({ sessions, streams }) => sessions === 0 && streams === 0)
})
