import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBefore } from './order.ts'

const sorted = (ids: string[]) => ids.map(id => ({ id })).sort((a, b) => (isBefore(a, b) ? -1 : 1))

test('numbered cards are in the order of their numbers', () => {
  assert.deepEqual(sorted(['card_100', 'card_9', 'card_10', 'card_99']), [
    { id: 'card_9' },
    { id: 'card_10' },
    { id: 'card_99' },
    { id: 'card_100' },
  ])
})

test('of any two ids exactly one is before the other', () => {
  const ids = ['card_9f3a', 'card_77bc', 'card_NaN', 'card_1', '', 'card_é', 'card_🎉']

  for (const a of ids)
    for (const b of ids)
      assert.equal(Number(isBefore({ id: a }, { id: b })) + Number(isBefore({ id: b }, { id: a })), a === b ? 0 : 1)
})
