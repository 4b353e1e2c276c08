import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatPosition, parsePosition } from '../protocol/position.ts'
import { retained } from '../test/memory.ts'
import { createMemoryHistory } from './memory.ts'

function history({ limit = 100, ttlSeconds = 300, maxBytes = 1e9 } = {}) {
  const clock = { ms: 1_800_000_000_000 }
  const memory = createMemoryHistory({
    epoch: 'aZ3x',
    limit,
    ttlSeconds,
    maxBytes,
    wall: () => clock.ms,
    monotonic: () => clock.ms,
  })
  const texts = (entries: ReturnType<typeof memory.after>) =>
    entries === 'gap' ? 'gap' : entries.map(({ message }) => JSON.parse(message))
  return {
    memory,
    texts,
    pass: (seconds: number) => {
      clock.ms += seconds * 1000
      memory.expire()
    },
    after: (stream: string, offset: number, epoch = 'aZ3x') => texts(memory.after(stream, { offset, epoch })),
  }
}

test('the history returns the messages after a position, in order, and no others', () => {
  const { memory, after } = history()
  memory.append('a', '1')
  const { offset } = memory
  for (const message of ['2', '3']) memory.append('a', message)
  memory.append('b', '99')

  assert.deepEqual(after('a', offset), [2, 3])
  assert.deepEqual(after('a', memory.offset), [])
  assert.deepEqual(after('b', offset), [99])
})

test('offsets rise over all streams', () => {
  const { memory } = history()
  const offsets = ['a', 'b', 'a'].map(stream => memory.append(stream, '1').offset)

  assert.deepEqual(offsets, [1, 2, 3])
})

test('a position is valid while nothing after it is gone: one before the oldest is enough', () => {
  const { memory, after } = history({ limit: 3 })
  for (const message of ['1', '2', '3', '4', '5']) memory.append('a', message)

  assert.deepEqual(after('a', 2), [3, 4, 5])
  assert.equal(after('a', 1), 'gap')
  assert.equal(after('a', 0), 'gap')
})

test('another epoch and a position of the future are gaps', () => {
  const { memory, after } = history()
  memory.append('a', '1')

  assert.equal(after('a', 1, 'else'), 'gap')
  assert.equal(after('a', 2), 'gap')
  assert.equal(after('never', 1, 'else'), 'gap')
})

test('a client that is up to date stays so when the messages expire', () => {
  const { memory, after, pass } = history({ ttlSeconds: 10 })
  memory.append('a', '1')
  memory.append('a', '2')
  pass(11)

  assert.deepEqual(after('a', 2), [])
  assert.equal(after('a', 1), 'gap')
  pass(80)
  assert.deepEqual(after('a', 2), [], 'the horizon outlives the messages')
})

test('the history forgets a stream that was idle for long, and then only later positions are valid', () => {
  const { memory, after, pass } = history({ ttlSeconds: 10 })
  memory.append('a', '1')
  memory.append('b', '2')
  pass(111)

  assert.deepEqual([memory.streams, memory.bytes], [0, 0])
  assert.equal(after('a', 1), 'gap', 'it may have missed something of a forgotten stream')
  assert.deepEqual(after('a', 2), [])
  memory.append('a', '3')
  assert.deepEqual(after('a', 2), [3])
  assert.equal(after('a', 1), 'gap')
})

test('bytes are bounded over all streams: the oldest message of any stream goes first', () => {
  const { memory, after } = history({ maxBytes: 5000 })
  memory.append('quiet', '1')
  for (let i = 0; i < 20; i++) memory.append('busy', JSON.stringify('x'.repeat(300)))

  assert.ok(memory.bytes <= 5000)
  assert.equal(after('quiet', 0), 'gap')
  assert.equal((after('busy', memory.offset - 3) as unknown[]).length, 3)
})

test('the history does not keep a message larger than its bound, which is a gap', () => {
  const { memory, after } = history({ maxBytes: 1000 })
  memory.append('a', JSON.stringify('x'.repeat(5000)))

  assert.ok(memory.bytes <= 1000)
  assert.equal(after('a', 0), 'gap')
})

test('many streams with one message each do not outgrow the bound either', () => {
  const { memory } = history({ maxBytes: 100_000 })
  for (let i = 0; i < 10_000; i++) memory.append(`stream ${i}`, '1')

  assert.ok(memory.bytes <= 100_000)
  assert.ok(memory.streams < 1000)
})

test('the history drops streams without messages before it drops any message', () => {
  const { memory, after, pass } = history({ maxBytes: 80_000, ttlSeconds: 10 })
  for (let i = 0; i < 120; i++) memory.append(`idle ${i}`, '1')
  pass(11)
  const { offset } = memory
  for (let i = 0; i < 80; i++) memory.append('busy', JSON.stringify('x'.repeat(500)))

  assert.equal((after('busy', offset) as unknown[]).length, 80)
  assert.equal(memory.evicted, 0)
  assert.ok(memory.streams < 100 && memory.bytes <= 80_000)
})

test('since is in whole seconds, inclusive, and never a gap', () => {
  const { memory, texts, pass } = history()
  memory.append('a', '1')
  pass(5)
  memory.append('a', '2')

  assert.deepEqual(texts(memory.since('a', 1_800_000_005)), [2])
  assert.deepEqual(texts(memory.since('a', 1_800_000_000)), [1, 2])
  assert.deepEqual(texts(memory.since('a', 1_800_000_006)), [])
  assert.deepEqual(texts(memory.since('never', 1)), [])
})

test('a position survives writing and reading', () => {
  assert.equal(formatPosition({ offset: 12, epoch: 'aZ3x' }), '12/aZ3x')
  assert.equal(formatPosition({ offset: 12, epoch: 'aZ3x', nonce: 'k3' }), '12/aZ3x-k3')
  assert.deepEqual(parsePosition('12/aZ3x'), { offset: 12, epoch: 'aZ3x' })
  assert.deepEqual(parsePosition('12/aZ3x-k3'), { offset: 12, epoch: 'aZ3x', nonce: 'k3' })
  assert.deepEqual(parsePosition('12/old-epoch_-k3'), { offset: 12, epoch: 'old-epoch_', nonce: 'k3' })
  assert.equal(parsePosition('-'), 'unknown')
  for (const other of [
    '',
    'left',
    '12',
    '12/',
    '/x',
    '-1/x',
    '1.5/x',
    '1/x/y',
    `${'9'.repeat(16)}/x`,
    12,
    null,
    undefined,
    {},
  ])
    assert.equal(parsePosition(other), undefined)
})

for (const [size, character, perStream] of [
  [1, 'x', 100],
  [1, 'x', 1],
  [100, 'x', 100],
  [300, 'x', 1],
  [3000, 'x', 100],
  [100, 'é', 100],
  [3000, '€', 100],
  [300, '\u{1f525}', 1],
] as const) {
  test(`the history takes at most the bytes that it counts: ${size} times ${character}, ${perStream} in a stream`, async () => {
    let counted = 0
    const taken = await retained(() => {
      const { memory } = history({ maxBytes: 8 * 2 ** 20 })
      for (let i = 0; memory.evicted < 100; i++) {
        memory.append(`board/${Math.floor(i / perStream)}`, message(character.repeat(size)))
      }
      counted = memory.bytes
      return memory
    })

    assert.ok(taken < counted, `${taken} bytes, and it says ${counted}`)
  })
}

/** The JSON text of a message as the cable reads it from the body of a POST. */
const message = (text: string): string =>
  (JSON.parse(JSON.stringify({ data: JSON.stringify(text), rest: 'x'.repeat(3000) })) as { data: string }).data
