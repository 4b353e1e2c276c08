/**
 * --subscribe_url: the app permits each subscription to some streams, refuses it, or permits it until a time.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import type { Question } from '../rpc/ask-app.ts'
import { events } from './event-reader.ts'
import { counted, METRICS, open, refused, SECRET, sign, startCable, token, turbo } from './test-cable.ts'
import { startNodes } from './two-nodes.ts'

const ADA = '{"user":1}'
const JID = `?jid=${token({ ext: ADA })}`
const ROOM = turbo('room/1')
const inSeconds = (seconds: number) => Date.now() / 1000 + seconds

/** A cable, and the app that it asks. */
async function start(t: TestContext, flags: string[] = ['--subscribe_streams=room/*']) {
  const app = await startApp(t)
  const cable = await startCable(t, [app.flag, '--sse', METRICS, ...flags])
  return Object.assign(app, { cable, streams: () => app.asked.map(({ stream }) => stream) })
}

/** An app that gives the same answer to all, until the test sets another. */
async function startApp(t: TestContext) {
  const app = {
    asked: [] as (Question & { key: string | undefined })[],
    answer: { allowed: true } as { allowed: boolean; until?: number } | ((response: ServerResponse) => void),
  }
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    app.asked.push({ ...JSON.parse(body), key: request.headers.authorization })
    if (typeof app.answer === 'function') app.answer(response)
    else response.end(JSON.stringify(app.answer))
  }).listen(0, '127.0.0.1')
  await new Promise(listening => server.once('listening', listening))
  t.after(() => void server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  return Object.assign(app, { flag: `--subscribe_url=http://127.0.0.1:${port}/hotcable/subscribe` })
}

const reject = (identifier: string) => ({ type: 'reject_subscription', identifier })

test('the app permits a subscription to a stream, and the question has the key, the identity and the stream', async t => {
  const { cable, asked } = await start(t)
  const client = await cable.welcomed({ query: JID })
  await client.confirmed(ROOM)
  await cable.broadcast('room/1', '<p>hello</p>')

  assert.equal((await client.next()).message, '<p>hello</p>')
  const key = `Bearer ${createHmac('sha256', SECRET).update('subscribe-cable').digest('hex')}`
  assert.deepEqual(asked, [{ identity: ADA, stream: 'room/1', headers: { REMOTE_ADDR: '127.0.0.1' }, key }])
})

test('the question has the headers of the client that --headers names', async t => {
  const flags = ['--subscribe_streams=room/*', '--headers=cookie,x-team', '--proxy-cookies=session']
  const { cable, asked } = await start(t, flags)
  const headers = { cookie: 'session=7; other=8', 'x-team': 'red', 'x-other': 'blue' }
  await (await cable.welcomed({ query: JID, headers })).confirmed(ROOM)

  assert.deepEqual(asked[0]?.headers, { cookie: 'session=7', 'x-team': 'red', REMOTE_ADDR: '127.0.0.1' })
})

test('with RPC as well, a stream by a signed name needs the permission, and no call by RPC', async t => {
  const app = await start(t, ['--subscribe_streams=room/*', '--rpc_host=http://127.0.0.1:1/_anycable'])
  app.answer = { allowed: false }
  const client = await app.cable.welcomed({ query: JID })

  assert.deepEqual(await client.subscribe(ROOM), reject(ROOM))
  app.answer = { allowed: true }
  await client.confirmed(ROOM)
  assert.equal(await counted(app.cable, 'rpc_call_total'), 0)
})

test('a subscription that the app refuses is rejected, and gets no message', async t => {
  const app = await start(t)
  app.answer = { allowed: false }
  const client = await app.cable.welcomed({ query: JID })

  assert.deepEqual(await client.subscribe(ROOM), reject(ROOM))
  await app.cable.broadcast('room/1', '<p>secret</p>')
  assert.deepEqual(await client.answers(), [])
  assert.equal(await refused(app.cable, 'stream_refused'), 1)
  app.answer = { allowed: true }
  await client.confirmed(ROOM)
})

test('the cable asks for no other stream, and for no name that it would reject itself', async t => {
  const { cable, streams } = await start(t, ['--subscribe_streams=room/*, lobby'])
  const client = await cable.welcomed({ query: JID })
  for (const stream of ['rooms', 'room', 'lobby/1', 'other']) await client.confirmed(turbo(stream))
  const forged = turbo('room/1').replace(/.{4}"}$/, '0000"}')
  assert.deepEqual(await client.subscribe(forged), reject(forged))
  assert.deepEqual(streams(), [])
  for (const stream of ['room/', 'lobby']) await client.confirmed(turbo(stream))

  assert.deepEqual(streams(), ['room/', 'lobby'])
})

test('the cable asks whichever channel the name is for, signed or not', async t => {
  const { cable, asked } = await start(t, [
    '--subscribe_streams=room/*',
    '--noauth',
    '--public_streams',
    '--cable_ready',
  ])
  const client = await cable.welcomed()
  for (const identifier of [
    open('room/open'),
    JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('room/data') }),
    JSON.stringify({ channel: 'CableReady::Stream', identifier: sign('room/html') }),
  ])
    await client.confirmed(identifier)

  const identity = JSON.stringify({ sid: client.welcome.sid })
  assert.deepEqual(
    asked.map(({ identity, stream }) => [identity, stream]),
    [
      [identity, 'room/open'],
      [identity, 'room/data'],
      [identity, 'room/html'],
    ],
  )
})

test('a signed name may itself say that the app must be asked, by its purpose', async t => {
  const app = await start(t, ['--subscribe_purpose=ask'])
  const named = (pur: string | null) => turbo('', { signed_stream_name: sign({ _rails: { data: 'room/1', pur } }) })
  const client = await app.cable.welcomed({ query: JID })
  await client.confirmed(ROOM)
  assert.deepEqual(app.streams(), [])
  await client.confirmed(named('ask'))
  assert.deepEqual(app.streams(), ['room/1'])

  app.answer = { allowed: false }
  client.command('unsubscribe', named('ask'))
  for (const pur of ['ask', 'other']) assert.deepEqual(await client.subscribe(named(pur)), reject(named(pur)))
  assert.deepEqual(app.streams(), ['room/1', 'room/1'])
  assert.equal(await refused(app.cable, 'stream_purpose_mismatch'), 1)
})

test('an app that fails does not make the cable reject: it asks again, and the client notices nothing', async t => {
  const app = await start(t)
  let failures = 0
  app.answer = response => {
    if (failures++ === 0) response.destroy()
    else if (failures === 2) response.writeHead(502).end('<h1>Bad gateway</h1>')
    else response.end('{"allowed":true}')
  }
  const client = await app.cable.welcomed({ query: JID })
  await client.confirmed(ROOM)

  assert.equal(await counted(app.cable, 'authorize_error_total'), 2)
  assert.equal(await counted(app.cable, 'authorize_retries_total'), 2)
  assert.equal(await counted(app.cable, 'authorize_call_total'), 3)
})

test('a subscription that needs a permission, and was granted without one, is a bug that ends the session', async t => {
  const { flag, asked } = await startApp(t)
  const flags = [flag, '--subscribe_streams=room/*', '--noauth', METRICS]
  const cable = await startCable(t, flags, { wrapResolve: channels => channels })
  const client = await cable.welcomed()

  assert.equal((await client.subscribe(ROOM)).reason, 'internal_error')
  assert.equal(await refused(cable, 'internal'), 1)
  assert.deepEqual(asked, [])
})

test('clients come again if the app does not answer: a WebSocket is disconnected, and events end', async t => {
  const app = await start(t, [
    '--subscribe_streams=room/*',
    '--noauth',
    '--public_streams',
    '--subscribe_concurrency=1',
  ])
  app.answer = () => {} // it is silent
  const subscribed = async () => {
    const client = await app.cable.welcomed()
    client.command('subscribe', open('room/1'))
    return client
  }
  await subscribed()
  while (app.asked.length === 0) await setImmediate()
  // As many wait as may wait, so the next ones need not wait for 8 s.
  await Promise.all(Array.from({ length: 200 }, subscribed))
  while ((await counted(app.cable, 'authorize_pending_num')) < 201) await setImmediate()
  const next = await subscribed()

  assert.deepEqual(await next.next(), { type: 'disconnect', reason: 'subscribe_unavailable', reconnect: true })
  assert.deepEqual(await next.closed, { code: 1013, text: 'Try again later' })
  const { response } = await events(t, app.cable, '?stream=room/1')
  assert.equal(response.status, 200)
  assert.equal(await response.text(), 'retry: 3000\n\n')
})

test('an answer until a time counts for further sessions of the identity, until a remote disconnect', async t => {
  const app = await start(t)
  app.answer = { allowed: true, until: inSeconds(3600) }
  const [one, other] = [await app.cable.welcomed({ query: JID }), await app.cable.welcomed({ query: JID })]
  await one.confirmed(ROOM)
  await other.confirmed(ROOM)
  assert.equal(app.asked.length, 1)

  app.answer = { allowed: false }
  await app.cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })
  for (const client of [one, other]) assert.equal((await client.next()).reason, 'remote')
  const again = await app.cable.welcomed({ query: JID })
  assert.deepEqual(await again.subscribe(ROOM), reject(ROOM))
})

test('a disconnect at one node makes the others ask again', async t => {
  const app = await startApp(t)
  const [one, other] = await startNodes(t, 1, [app.flag, '--subscribe_streams=room/*', '--noauth'])
  app.answer = { allowed: true, until: inSeconds(3600) }
  const client = await one.cable.welcomed({ query: JID })
  await client.confirmed(ROOM)

  app.answer = { allowed: false }
  await other.cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })
  await client.closed
  const again = await one.cable.welcomed({ query: JID })
  assert.deepEqual(await again.subscribe(ROOM), reject(ROOM))
})

test('an open subscription ends with its session as soon as the app no longer permits it, and the client may come again', async t => {
  const app = await start(t)
  app.answer = response => response.end(JSON.stringify({ allowed: true, until: inSeconds(2) }))
  const client = await app.cable.welcomed({ query: JID })
  await client.confirmed(ROOM)
  app.answer = { allowed: false }

  const told = await client.next()
  assert.deepEqual(told, { type: 'disconnect', reason: 'permission_ended', reconnect: true })
  assert.deepEqual(await client.closed, { code: 1000, text: 'Permission ended' })
  const again = await app.cable.welcomed({ query: JID })
  assert.deepEqual(await again.subscribe(ROOM), reject(ROOM))
})

test('a client that resumes its session is asked about again, and what it missed comes after the answer', async t => {
  const app = await start(t)
  const options = { query: JID, protocols: EXTENDED }
  const pubsub = JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('room/1') })
  const resume = async (sid: string) => app.cable.welcomed({ ...options, query: `${JID}&sid=${sid}` })
  const lost = await app.cable.welcomed(options)
  await lost.confirmed(pubsub)
  await lost.confirmed(turbo('other'))
  await app.cable.broadcast('room/1', 'one')
  const { epoch, offset } = await lost.next()
  await lost.drop()
  await app.cable.until(({ sessions }) => sessions === 0)
  await app.cable.broadcast('room/1', 'two')

  const back = await resume(lost.welcome.sid!)
  assert.deepEqual(back.welcome.restored_ids, [turbo('other')])
  const history = { streams: { 'room/1': { epoch, offset } } }
  await back.confirmed(pubsub, { history })
  assert.equal((await back.next()).message, 'two')
  assert.ok(app.asked.length >= 2)
  await back.drop()
  await app.cable.until(({ sessions }) => sessions === 0)

  app.answer = { allowed: false }
  const removed = await resume(back.welcome.sid!)
  assert.deepEqual(removed.welcome.restored_ids, [turbo('other')])
  assert.deepEqual((await removed.subscribe(pubsub, { history })).type, 'reject_subscription')
})

test('server-sent events begin once the app permits their streams, and are refused if it does not', async t => {
  const app = await start(t)
  const named = (stream: string) => `&turbo_signed_stream_name=${encodeURIComponent(sign(stream))}`
  const reader = await events(t, app.cable, `${JID}${named('room/1')}${named('other')}`)
  await app.cable.broadcast('room/1', '<p>hello</p>')
  assert.equal((await reader.next())?.event, 'welcome')
  while ((await reader.next())?.data !== '<p>hello</p>');

  app.answer = { allowed: false }
  const { response } = await events(t, app.cable, `${JID}${named('room/1')}`)
  assert.equal(response.status, 400)
  assert.deepEqual(await response.json(), { error: 'rejected' })
  assert.deepEqual(app.streams(), ['room/1', 'room/1'])
})

test('a client that has left is not subscribed, however late the app answers', async t => {
  const app = await start(t)
  const late = Promise.withResolvers<ServerResponse>()
  app.answer = response => late.resolve(response)
  const client = await app.cable.welcomed({ query: JID })
  client.command('subscribe', ROOM)
  const response = await late.promise
  await client.drop()
  response.end('{"allowed":true}')
  while ((await counted(app.cable, 'authorize_pending_num')) > 0) await setImmediate()

  await app.cable.until(({ sessions, streams }) => sessions === 0 && streams === 0)
})
