/** Messages with a key in the history: a newer one replaces older ones, and no client notices that they are gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { retained } from '../test/memory.ts'
import { createMemoryHistory } from './memory.ts'

function history({ limit = 100, ttlSeconds = 300, maxBytes = 1e9 } = {}) {
  const clock = { ms: 1_800_000_000_000 }
  const now = () => clock.ms
  const memory = createMemoryHistory({ epoch: 'aZ3x', limit, ttlSeconds, maxBytes, wall: now, monotonic: now })
  const texts = (entries: ReturnType<typeof memory.after>) =>
    entries === 'gap' ? 'gap' : entries.map(({ message }) => JSON.parse(message))
  return {
    memory,
    texts,
    keep: (message: string | number, key?: string, exclude?: string, stream = 'a') =>
      memory.append(stream, JSON.stringify(message), exclude, undefined, key).offset,
    pass: (seconds: number) => {
      clock.ms += seconds * 1000
      memory.expire()
    },
    after: (offset: number, stream = 'a') => texts(memory.after(stream, { offset, epoch: 'aZ3x' })),
  }
}

test('of the messages with one key only the newest stays, at its own place', () => {
  const { keep, after } = history()
  keep(1, 'bar')
  keep('between')
  keep(2, 'bar')
  keep('after')

  assert.deepEqual(after(0), ['between', 2, 'after'])
})

test('other keys and other streams keep their messages', () => {
  const { keep, after } = history()
  keep(1, 'bar')
  keep(2, 'other')
  keep(3, 'bar', undefined, 'b')

  assert.deepEqual([after(0), after(0, 'b')], [[1, 2], [3]])
})

test('a position before or between replaced messages is no gap', () => {
  const { keep, after } = history({ limit: 3 })
  for (let percent = 1; percent <= 200; percent++) keep(percent, 'bar')

  for (const offset of [0, 1, 100, 199]) assert.deepEqual(after(offset), [200])
  assert.deepEqual(after(200), [])
})

test('replaced messages do not count for the limit of a stream, and one that the limit drops is a gap', () => {
  const { keep, after } = history({ limit: 3 })
  keep('first')
  for (let percent = 1; percent <= 10; percent++) keep(percent, 'bar')
  assert.deepEqual(after(0), ['first', 10])

  keep('second')
  keep('third')
  assert.equal(after(0), 'gap')
  assert.deepEqual(after(1), [10, 'second', 'third'])
})

test('the key of a message that was dropped is free again', () => {
  const { memory, keep, after, pass } = history({ ttlSeconds: 10 })
  keep(1, 'bar')
  pass(11)
  assert.deepEqual(after(1), [])
  keep(2, 'bar')
  memory.forget(['a'])
  keep(3, 'bar')

  assert.deepEqual([after(0), after(memory.offset - 1)], ['gap', [3]])
})

test('since returns the newest message with a key if that is recent enough', () => {
  const { memory, keep, texts, pass } = history()
  keep(1, 'bar')
  pass(5)
  keep(2, 'bar')

  assert.deepEqual(texts(memory.since('a', 1_800_000_000)), [2])
  assert.deepEqual(texts(memory.since('a', 1_800_000_006)), [])
})

test('a message that excludes a session leaves the older one, which that session may have missed', () => {
  const { keep, after } = history()
  keep('to all', 'typing')
  keep('not to ada', 'typing', 'ada')
  assert.deepEqual(after(0), ['to all', 'not to ada'])

  keep('again not to ada', 'typing', 'ada')
  assert.deepEqual(after(0), ['to all', 'again not to ada'])
  keep('not to bob', 'typing', 'bob')
  assert.deepEqual(after(0), ['to all', 'again not to ada', 'not to bob'])
  keep('to all again', 'typing')
  assert.deepEqual(after(0), ['to all again'])
})

test('a page that gets the messages after any position ends up like one that got all of them', () => {
  const random = new Random(17)
  const { memory, keep } = history({ limit: 40 })
  const sessions = [[], ['ada'], ['bob'], ['ada', 'bob']]
  // What a session shows: for each key its last message.
  const live: Map<string, string>[][] = sessions.map(() => [new Map()])
  for (let at = 1; at <= 400; at++) {
    const key = random.pick(['x', 'y', 'z'])
    const exclude = random.pick([undefined, undefined, 'ada', 'bob', 'cem'])
    keep(`${key} ${at}`, key, exclude)
    for (const [who, sids] of sessions.entries()) {
      const last = new Map(live[who]!.at(-1))
      if (exclude === undefined || !sids.includes(exclude)) last.set(key, JSON.stringify(`${key} ${at}`))
      live[who]!.push(last)
    }
    for (const [who, sids] of sessions.entries()) {
      const offset = random.below(at + 1)
      const entries = memory.after('a', { offset, epoch: 'aZ3x' })
      assert.notEqual(entries, 'gap')
      const page = new Map(live[who]![offset])
      for (const { message, exclude } of entries as Exclude<typeof entries, 'gap'>)
        if (exclude === undefined || !sids.includes(exclude)) page.set(JSON.parse(message).split(' ')[0], message)
      assert.deepEqual(page, live[who]!.at(-1))
    }
  }
})

for (const [about, keys, excludes] of [
  ['each message has its own stream and key', 1, 1],
  ['a stream has many keys', 100, 1],
  ['the messages of a key exclude different sessions', 10, 10],
] as const) {
  test(`the history takes at most the bytes that it counts when ${about}`, async () => {
    let counted = 0
    const taken = await retained(() => {
      const { memory, keep } = history({ maxBytes: 4 * 2 ** 20 })
      for (let i = 0; memory.evicted < 100; i++) {
        const exclude = excludes === 1 ? undefined : `session ${i % excludes}`
        const n = Math.floor(i / excludes)
        keep(`message ${i}`, JSON.stringify([`key ${n}`]), exclude, `stream ${Math.floor(n / keys)}`)
      }
      counted = memory.bytes
      return memory
    })

    assert.ok(taken < counted, `${taken} bytes, and it says ${counted}`)
  })
}

test('the history holds no bytes for what was replaced or expired', () => {
  const { memory, keep, pass } = history({ ttlSeconds: 10 })
  keep('x', 'bar')
  const { bytes } = memory
  for (let i = 0; i < 1_000; i++) keep('x', 'bar')
  assert.equal(memory.bytes, bytes)
  pass(111)

  assert.deepEqual([memory.streams, memory.bytes], [0, 0])
})
