/**
 * The bytes that wait for slow readers: the cable bounds them, and shares equal ones; a reader that reads never counts as slow.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../testing/client.ts'
import { buffers, settled } from './memory.ts'
import { open, startCable, type TestCable, turbo } from './test-cable.ts'

const MIB = 2 ** 20

/** Clients that subscribed to a stream, each with the identifier of its page, and stopped reading. */
async function sleepers(cable: TestCable, count: number, stream: string): Promise<Client[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, page) => {
      const client = await cable.welcomed()
      await client.subscribe(turbo(stream, { page }))
      client.ws.pause()
      return client
    }),
  )
}

async function metric(cable: TestCable, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', cable.url.cable.replace('ws', 'http')))).text()
  return Number(new RegExp(`${name} (\\d+)`).exec(text)![1])
}

const pending = (cable: TestCable) => metric(cable, 'pending_bytes')

test('slow readers share a large message, although each has another identifier', async t => {
  const cable = await startCable(t, ['--noauth', '--max_broadcast_size=9000000', '--metrics_http=/metrics'])
  const slow = await sleepers(cable, 20, 'a')
  const before = await settled(buffers)
  const html = 'x'.repeat(8_000_000)
  await cable.broadcast('a', html)

  assert.ok((await pending(cable)) > 60 * MIB, 'it waits')
  const grown = (await settled(buffers)) - before
  assert.ok(grown < 40 * MIB, `${grown} bytes`)
  for (const { ws } of slow) ws.resume()
  for (const client of slow) assert.equal((await client.next()).message, html)
})

test('a client that reads is never too slow, however much it gets in one turn', async t => {
  const cable = await startCable(t, ['--noauth', '--max_broadcast_size=8000000'])
  const clients = await Promise.all(Array.from({ length: 10 }, () => cable.welcomed()))
  for (const client of clients) await client.confirmed(turbo('a'))
  for (const size of [1_000_000, 100_000, 10_000]) {
    const html = 'x'.repeat(size)
    const list = Array.from({ length: 4_000_000 / size }, () => ({ stream: 'a', data: JSON.stringify(html) }))

    assert.equal((await cable.post(list)).status, 201)
    for (const client of clients) for (const _ of list) assert.equal((await client.next()).message, html)
  }
})

test('replays of one turn never disconnect a reader that reads', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const html = 'x'.repeat(400_000)
  for (const stream of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await cable.broadcast(stream, html)
  const client = await cable.welcomed()
  for (const stream of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    client.send({ command: 'subscribe', identifier: turbo(stream, { position }) })

  const types = (await client.until(frame => frame.stream_id === 'h')).map(({ type, message }) => type ?? message)
  assert.equal(types.filter(type => type === html).length, 8)
})

const PENDING = ['--noauth', '--ws_max_pending_size=400000', '--public_streams', '--metrics_http=/metrics']

/** A client that does not read, for which more waits than the write under way, but less than half of the limit. */
async function behind(cable: TestCable): Promise<Client> {
  const [client] = await sleepers(cable, 1, 'flood')
  while ((await pending(cable)) < 100_000) await cable.broadcast('flood', 'x'.repeat(20_000))
  assert.ok((await pending(cable)) < 200_000)
  return client!
}

/** Sends a command, and waits until the cable has handled it. */
async function say(cable: TestCable, client: Client, command: object): Promise<void> {
  const before = await metric(cable, 'client_msg_total')
  client.send(command)
  while ((await metric(cable, 'client_msg_total')) === before);
}

for (const [about, count, size] of [
  ['a large message', 1, 350_000],
  ['many small ones', 1_000, 20],
] as const) {
  test(`a replay waits if it does not fit behind the bytes that wait already: ${about}`, async t => {
    const cable = await startCable(t, [...PENDING, '--history_limit=5000'])
    const position = await cable.position()
    const list = Array.from({ length: count }, () => ({ stream: 'a', data: JSON.stringify('y'.repeat(size)) }))
    assert.equal((await cable.post(list)).status, 201)
    await cable.broadcast('a', 'last')
    const client = await behind(cable)

    await say(cable, client, { command: 'subscribe', identifier: turbo('a', { position }) })
    assert.ok((await pending(cable)) < 200_000, 'the replay waits')
    client.ws.resume()

    const frames = await client.until(({ message }) => message === 'last')
    assert.equal(frames.filter(frame => frame.stream_id === 'a').length, count + 1)
    assert.equal(await metric(cable, 'disconnected_slow_clients_total'), 0)
  })
}

test('a presence answer that does not fit behind the bytes that wait already has the total alone', async t => {
  const cable = await startCable(t, [...PENDING, '--max_presence_answer_size=350000'])
  const client = await behind(cable)
  for (let i = 0; i < 80; i++) {
    const member = await cable.welcomed()
    await member.confirmed(open('room'))
    member.send({ command: 'join', identifier: open('room'), presence: { id: `${i}`, info: 'x'.repeat(4_000) } })
    await member.next()
  }
  await say(cable, client, { command: 'subscribe', identifier: open('room') })

  await say(cable, client, { command: 'presence', identifier: open('room') })
  client.ws.resume()

  const answer = (await client.until(({ type }) => type === 'presence')).at(-1)!.message as { total: number }
  assert.deepEqual(answer, { type: 'info', total: 80, records: [], truncated: true })
  assert.equal(await metric(cable, 'disconnected_slow_clients_total'), 0)
})

test('at most the limit waits behind the write under way', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=1000000', '--metrics_http=/metrics'])
  await sleepers(cable, 1, 'a')
  let most = 0
  while ((await metric(cable, 'disconnected_slow_clients_total')) === 0) {
    most = Math.max(most, await pending(cable))
    await cable.broadcast('a', 'x'.repeat(300_000))
  }

  assert.ok(most > 600_000 && most < 1_310_000, `${most} bytes`)
})

test('small messages that wait for a slow reader keep no bytes of other messages in memory', async t => {
  const cable = await startCable(t, ['--noauth', '--metrics_http=/metrics', '--history_limit=1'])
  const quick = await cable.welcomed()
  await quick.subscribe(turbo('busy/0'))
  await quick.subscribe(turbo('busy/1'))
  const [slow] = await sleepers(cable, 1, 'a')
  while ((await pending(cable)) === 0) await cable.broadcast('a', 'x'.repeat(300_000))
  const round = async (data: string) => {
    // The streams alternate, so that the cable encodes each message as a separate frame.
    const html = JSON.stringify('y'.repeat(600))
    const busy = Array.from({ length: 100 }, (_, i) => ({ stream: `busy/${i % 2}`, data: html }))
    await cable.post([...busy.slice(50), { stream: 'a', data }, ...busy.slice(50)])
    for (const _ of busy) await quick.next()
    // A pong keeps the client alive, however long this takes: the cable cuts a peer that is silent for sixteen seconds.
    slow!.ws.pong()
  }
  await round('0')
  const before = await settled(buffers)
  for (let i = 1; i <= 200; i++) await round(String(i))

  const grown = (await settled(buffers)) - before
  assert.ok(grown < MIB, `${grown} bytes`)
  slow!.ws.resume()
  assert.equal(
    (await slow!.until(({ message }) => message === 200)).filter(({ message }) => Number(message) > 0).length,
    200,
  )
})

test('the cable does not encode a replay that is too large', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  for (let i = 0; i < 50; i++) await cable.broadcast('a', 'x'.repeat(1_000_000))
  const client = await cable.welcomed()
  const before = await settled(buffers)
  await client.subscribe(turbo('a', { position }))

  assert.match(String((await client.next()).message), /action="refresh"/)
  // The test collects no garbage: an encoded replay would still count here.
  const grown = buffers() - before
  assert.ok(grown < 10 * MIB, `${grown} bytes`)
})
