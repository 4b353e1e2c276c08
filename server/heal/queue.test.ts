import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Queue } from './queue.ts'

test('a queue returns its items in order, without those that left', () => {
  const queue = new Queue<number>()
  const places = [1, 2, 3, 4, 5].map(item => queue.join(item))
  for (const index of [0, 2, 4]) queue.leave(places[index]!)
  queue.join(6)

  assert.deepEqual([queue.first, queue.take(), queue.take(), queue.take(), queue.take()], [2, 2, 4, 6, undefined])
  queue.join(7)
  assert.deepEqual([queue.take(), queue.first], [7, undefined])
})
