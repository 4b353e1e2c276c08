import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFloods } from './flood.ts'

test('after a hundred lines of one code, one line passes each second, with the number of lines left out', () => {
  const clock = { ms: 0 }
  const { admit } = createFloods(() => clock.ms)
  const flood = Array.from({ length: 1000 }, () => admit('unauthorized'))

  assert.equal(flood.filter(left => left !== undefined).length, 100)
  assert.equal(admit('token_missing'), 0, 'another code is another flood')
  clock.ms += 1000
  assert.equal(admit('unauthorized'), 900)
  assert.equal(admit('unauthorized'), undefined)
})
