import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bucket } from './rate.ts'

function bucket(burst: number, perSecond: number) {
  const clock = { ms: 0 }
  const bucket = new Bucket()
  /** Spends if the bucket allows it; returns the ms to wait. */
  const take = (tokens = 1) => {
    const ms = bucket.wait({ burst, perSecond }, clock.ms)
    if (ms === 0) bucket.spend(tokens)
    return ms
  }
  return { clock, take }
}

test('a burst passes, then commands pass at the rate', () => {
  const { clock, take } = bucket(3, 10)

  assert.deepEqual([take(), take(), take(), take(), take()], [0, 0, 0, 100, 100])
  clock.ms += 100
  assert.deepEqual([take(), take()], [0, 100])
  clock.ms += 60_000
  assert.deepEqual([take(), take(), take(), take()], [0, 0, 0, 100], 'it never holds more than a burst')
})

test('a command that costs more than the burst passes, and later ones wait for its debt', () => {
  const { clock, take } = bucket(3, 10)

  assert.deepEqual([take(13), take()], [0, 1100])
  clock.ms += 1100
  assert.equal(take(), 0)
})
