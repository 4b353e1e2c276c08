/** Budgets of presence and whispers: the cable bounds, in bytes, the data that it keeps and sends for clients. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../testing/client.ts'
import { createMemoryPresence } from '../presence/memory.ts'
import { parseCommand } from '../protocol/action-cable.ts'
import { retained } from './memory.ts'
import { counted, METRICS, open, startCable } from './test-cable.ts'

const MIB = 1 << 20
const nothing = (): void => {}

/** A string as a session gets it: a slice of a client's message. */
const presenceOf = (id: string, info: unknown) =>
  parseCommand(JSON.stringify({ command: 'join', identifier: 'i', presence: { id, info }, pad: 'x'.repeat(5000) }))!
    .presence!

for (const [about, member] of [
  ['many on one stream', n => ['room', `member ${n}`, 1]],
  ['each on its own stream', n => [`room ${n}`, 'ada', null]],
  ['many sessions of few', n => ['room', `member ${n >> 10}`, '']],
  ['large infos', n => ['room', `member ${n}`, 'x'.repeat(4000)]],
  ['large infos that are no Latin-1', n => ['room', `${n}`, '€'.repeat(1300)]],
  ['infos that are not even ASCII', n => ['room', `é${n}`, 'é'.repeat(2000)]],
] as [string, (n: number) => [stream: string, id: string, info: unknown]][]) {
  test(`presence stays within its size: ${about}`, async () => {
    const maxBytes = 4 * MIB
    const taken = await retained(() => {
      const presence = createMemoryPresence({
        ttlSeconds: 15,
        maxBytes,
        maxAnswerBytes: 1e9,
        monotonic: () => 0,
        tell: nothing,
      })
      for (let n = 0; presence.evicted < 10; n++) {
        const [stream, name, said] = member(n)
        const { id, info } = presenceOf(name, said)
        presence.join(stream, `sid ${n}`.padEnd(22, '.'), id, info)
      }
      assert.ok(presence.bytes <= maxBytes)
      return presence
    })

    assert.ok(taken <= 4.5 * MIB && taken > 1.5 * MIB, `${taken} bytes`)
  })
}

test('a member that left or gave way takes no bytes', () => {
  const clock = { ms: 0 }
  const presence = createMemoryPresence({
    ttlSeconds: 15,
    maxBytes: 5000,
    maxAnswerBytes: 1e9,
    monotonic: () => clock.ms,
    tell: nothing,
  })
  for (let n = 0; n < 100; n++) {
    presence.join(`room ${n % 3}`, `sid ${n % 10}`, `member ${n % 10}`, JSON.stringify('x'.repeat(n)))
    if (n % 4 === 0) presence.leave(`room ${n % 3}`, `sid ${n % 10}`)
    presence.lost(`sid ${n % 10}`)
  }
  clock.ms = 20_000
  presence.expire()

  assert.equal(presence.bytes, 0)
})

test('when presence is full the oldest member leaves, its stream gets the event, and it may join again', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', '--presence_max_size=4000', METRICS])
  const room = open('room')
  const watcher = await cable.welcomed()
  await watcher.subscribe(room)
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  for (const client of [ada, bob]) await client.subscribe(room)
  const join = (client: Client, id: string) =>
    client.send({ command: 'join', identifier: room, presence: { id, info: 'x'.repeat(1500) } })
  const next = async () => {
    const { type, id } = (await watcher.next()).message as { type: string; id: string }
    return `${id} ${type}`
  }

  join(ada, 'ada')
  assert.equal(await next(), 'ada join')
  join(bob, 'bob')
  assert.deepEqual([await next(), await next()], ['bob join', 'ada leave'])
  watcher.send({ command: 'presence', identifier: room })
  const { total, records } = (await watcher.next()).message as { total: number; records: { id: string }[] }
  assert.deepEqual([total, records.map(({ id }) => id)], [1, ['bob']])
  join(ada, 'ada')
  assert.deepEqual([await next(), await next()], ['ada join', 'bob leave'])
  assert.equal(await counted(cable, 'presence_evicted_total'), 2)
})

test('the cable ignores and counts a whisper, or an info with its id, that is too large', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', METRICS])
  const room = open('room')
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  for (const client of [ada, bob]) await client.subscribe(room)
  for (const length of [16_382, 16_383]) ada.send({ command: 'whisper', identifier: room, data: 'x'.repeat(length) })
  for (const presence of [
    { id: 'ada', info: 'x'.repeat(4092) },
    { id: 'x'.repeat(4097), info: undefined },
    { id: 'ada', info: 'é'.repeat(2046) },
    { id: 'ada', info: 'x'.repeat(4091) },
  ])
    ada.send({ command: 'join', identifier: room, presence })

  assert.equal((await bob.next()).message, 'x'.repeat(16_382))
  assert.deepEqual((await bob.next()).message, { id: 'ada', info: 'x'.repeat(4091), type: 'join' })
  assert.equal(await counted(cable, 'refusals_total{code="whisper_too_large"}'), 1)
  assert.equal(await counted(cable, 'refusals_total{code="presence_info_too_large"}'), 3)
})

test('an answer that is too small for all members counts them, and says that it leaves some out', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', '--max_presence_answer_size=10000', METRICS])
  const room = open('room')
  const client = await cable.welcomed()
  await client.subscribe(room)
  for (let n = 0; n < 5; n++) {
    const member = await cable.welcomed()
    await member.subscribe(room, { presence: { id: `${n}`, info: 'x'.repeat(3000) } })
    await client.next()
  }
  client.send({ command: 'presence', identifier: room })
  const rest = await fetch(`${cable.url.api}/presence/room/users`, {
    headers: { authorization: `Bearer ${cable.apiKey}` },
  })

  for (const answer of [(await client.next()).message, await rest.json()]) {
    const { records, ...about } = answer as { records: { id: string }[] }
    assert.deepEqual(about, { type: 'info', total: 5, truncated: true })
    assert.deepEqual(
      records.map(({ id }) => id),
      ['0', '1', '2'],
    )
  }
  assert.equal(await counted(cable, 'presence_truncated_total'), 2)
})

test('a client that whispers as much and as fast as it can disconnects no other client', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', METRICS])
  const room = open('room')
  const readers = await Promise.all(Array.from({ length: 20 }, () => cable.welcomed()))
  for (const reader of readers) await reader.subscribe(room)
  for (const length of [60_000, 16_000]) {
    const hostile = await cable.welcomed()
    await hostile.subscribe(room)
    for (let n = 0; n < 300; n++) hostile.send({ command: 'whisper', identifier: room, data: 'x'.repeat(length) })
  }
  while ((await counted(cable, 'refusals_total{code="whisper_too_large"}')) === 0);
  await cable.broadcast('room', 'last')

  for (const reader of readers) await reader.until(({ message }) => message === 'last')
  assert.equal(await counted(cable, 'disconnected_slow_clients_total'), 0)
})
