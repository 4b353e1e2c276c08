import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bucket } from './rate.ts'

test('a burst passes, then commands pass at the rate, and what was read too early is a debt', () => {
  const clock = { ms: 0 }
  const bucket = new Bucket()
  const take = () => bucket.take({ burst: 3, perSecond: 10 }, clock.ms)

  assert.deepEqual([take(), take(), take()], [0, 0, 0])
  assert.equal(take(), 100)
  assert.equal(take(), 200)
  clock.ms += 300
  assert.equal(take(), 0)
  clock.ms += 60_000
  assert.deepEqual([take(), take(), take(), take()], [0, 0, 0, 100], 'it never holds more than a burst')
})
