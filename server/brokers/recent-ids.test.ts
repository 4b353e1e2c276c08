import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retained } from '../test/memory.ts'
import { createRecentIds } from './recent-ids.ts'

function recentIds({ ttlSeconds = 300, most = 1000 } = {}) {
  const clock = { ms: 0 }
  const ids = createRecentIds({ ttlSeconds, most, monotonic: () => clock.ms })
  const pass = (seconds: number) => {
    clock.ms += seconds * 1000
    ids.expire()
  }
  return { ids, pass }
}

test('the cable remembers an id for its time after it was added, and then forgets it', () => {
  const { ids, pass } = recentIds({ ttlSeconds: 300 })
  ids.add('a')
  pass(200)
  ids.add('b')

  assert.deepEqual([ids.has('a'), ids.has('b'), ids.has('c')], [true, true, false])
  pass(100)
  assert.deepEqual([ids.has('a'), ids.has('b')], [true, true])
  pass(1)
  assert.deepEqual([ids.has('a'), ids.has('b')], [false, true])
  pass(1000)
  assert.deepEqual([ids.has('b'), ids.count, ids.evicted], [false, 0, 0])
})

test('the cable drops the oldest ids for newer ones, and counts them', () => {
  const { ids } = recentIds({ most: 3 })
  for (const id of ['a', 'b', 'c', 'd', 'e']) ids.add(id)

  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].filter(id => ids.has(id)),
    ['c', 'd', 'e'],
  )
  assert.deepEqual([ids.count, ids.evicted], [3, 2])
})

test('ids can be added after all were forgotten', () => {
  const { ids, pass } = recentIds({ ttlSeconds: 10, most: 2 })
  ids.add('a')
  pass(11)
  for (const id of ['b', 'c', 'd']) ids.add(id)

  assert.deepEqual([ids.has('a'), ids.has('b'), ids.has('c'), ids.has('d')], [false, false, true, true])
})

test('the largest ids that may be remembered take at most 300 bytes each', async () => {
  const count = 20_000
  const bytes = await retained(() => {
    const { ids } = recentIds({ most: count })
    for (let i = 0; i < 3 * count; i++) ids.add(JSON.parse(`"${String(i).padStart(64, '🔑')}"`))
    return ids
  })

  assert.ok(bytes < 300 * count, `${bytes / count} bytes each`)
})
