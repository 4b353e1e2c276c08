import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { BrokerUnavailable } from '../broker.ts'
import { createTell } from './tell.ts'

const AWAY = new BrokerUnavailable('away')
const BUG = new RangeError('a bug')

for (const [about, well, tell, outcome] of [
  ['sent at once', true, () => undefined, []],
  ['sent later', true, async () => undefined, []],
  ['dropped if the broker is not well', false, () => assert.fail('told'), ['dropped']],
  ['dropped if the broker turns out to be away', true, () => Promise.reject(AWAY), ['dropped']],
  ['reported if it meets a bug', true, () => Promise.reject(BUG), [BUG]],
] as [string, boolean, () => void | Promise<void>, unknown[]][]) {
  test(`a message that no history keeps is ${about}`, async () => {
    const seen: unknown[] = []
    const dropped = () => void seen.push('dropped')
    createTell({ broker: { well, tell }, dropped, failed: error => void seen.push(error) })('a', {
      message: '1',
      fromClient: true,
    })
    await setImmediate()

    assert.deepEqual(seen, outcome)
  })
}
