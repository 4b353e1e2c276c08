/** Broadcasts on the wire: they reach the right clients, whole and in order; the cable cuts a client that does not read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counted, METRICS, startCable, turbo } from './test-cable.ts'

test('a broadcast reaches the subscribers of its stream and no other client', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [ada, bob] = [await cable.connect(), await cable.connect()]
  await Promise.all([ada.next(), bob.next()])
  const chat = turbo('chat/1')
  assert.deepEqual(await ada.subscribe(chat), { type: 'confirm_subscription', identifier: chat })
  await bob.subscribe(turbo('chat/2'))

  await cable.broadcast('chat/1', '<b>é 🦄 "quoted"</b>')
  await cable.broadcast('chat/2', 'afterwards')

  const { epoch, ...frame } = await ada.next()
  assert.match(String(epoch), /^[\w-]{4,}$/)
  assert.deepEqual(frame, { identifier: chat, message: '<b>é 🦄 "quoted"</b>', stream_id: 'chat/1', offset: 1 })
  assert.deepEqual((await bob.next()).message, 'afterwards')
})

test('frames are right at every length that changes their header', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))

  for (const length of [0, 1, 40, 100, 125, 126, 300, 65_000, 65_535, 65_536, 300_000]) {
    const html = 'é'.repeat(length)
    await cable.broadcast('a', html)
    assert.equal((await client.next()).message, html)
  }
})

test('a broadcast can exclude one sid, on all of its subscriptions', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [ada, bob] = [await cable.connect(), await cable.connect()]
  const [{ sid }] = await Promise.all([ada.next(), bob.next()])
  for (const client of [ada, bob]) for (const n of [1, 2]) await client.subscribe(turbo('a', { n }))

  await cable.broadcast('a', 'not for ada', { exclude_socket: sid })
  await cable.broadcast('a', 'for both')

  assert.deepEqual([(await ada.next()).message, (await ada.next()).message], ['for both', 'for both'])
  assert.deepEqual([(await bob.next()).message, (await bob.next()).message], ['not for ada', 'not for ada'])
})

test('the cable applies a batch whole and in order, or not at all', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))
  const publication = (text: string) => ({ stream: 'a', data: JSON.stringify(text) })

  const broken = await cable.post([publication('never'), null])
  const whole = await cable.post([publication('one'), publication('two')])

  assert.deepEqual([broken.status, whole.status], [422, 201])
  assert.match(((await broken.json()) as { message: string }).message, /\[1\]/)
  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['one', 'two'])
})

test('a client gets a message larger than the limit of waiting bytes, and the messages after it', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=1000000', '--max_broadcast_size=20000000'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('board/1'))
  client.ws.pause()
  const large = 'x'.repeat(16_000_000)

  for (const data of [large, 'a', 'b']) await cable.broadcast('board/1', data)
  client.ws.resume()

  for (const data of [large, 'a', 'b']) assert.equal((await client.next()).message, data)
})

test('the cable cuts a client that does not read with too_slow, and other clients do not wait for it', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=1000000', METRICS])
  const [slow, quick] = [await cable.connect(), await cable.connect()]
  await Promise.all([slow.next(), quick.next()])
  await slow.subscribe(turbo('a'))
  await quick.subscribe(turbo('a'))
  slow.ws.pause()

  const html = 'x'.repeat(500_000)
  // The client reads again once it is cut: the cable waits two seconds for a reader to take the rest.
  let sent = 0
  while ((await counted(cable, 'disconnected_slow_clients_total')) === 0) {
    await cable.broadcast('a', html)
    assert.equal((await quick.next()).message, html)
    assert.ok(++sent < 40, 'it is never cut')
  }
  await cable.broadcast('a', html)
  assert.equal((await quick.next()).message, html)
  slow.ws.resume()

  const last = []
  for (let frame = await slow.next(); ; frame = await slow.next()) {
    last.push(frame)
    if (frame.type === 'disconnect') break
  }
  assert.deepEqual(last.at(-1), { type: 'disconnect', reason: 'too_slow', reconnect: true })
  assert.ok(last.length < 40)
})
