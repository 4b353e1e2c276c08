import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBackOff } from './back-off.ts'

test('the wait doubles from a quarter of a second to ten', () => {
  const { after } = createBackOff()

  assert.deepEqual(
    Array.from({ length: 8 }, () => after(0)),
    [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000],
  )
})

test('the wait starts over after a run of ten seconds', () => {
  const { after } = createBackOff()
  after(0)
  after(9_999)

  assert.equal(after(10_000), 250)
  assert.equal(after(0), 500)
})
