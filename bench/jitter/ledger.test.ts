import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ledger } from './ledger.ts'

test('a replay begins at the new connection, an absence at the cut; both end with the last missed message', () => {
  const ledger = new Ledger()
  ledger.opens(0, 0)
  ledger.receives(1, 100)
  ledger.cut(200)
  ledger.opens(1_000, 3)
  ledger.receives(2, 1_004)
  ledger.receives(3, 1_005)
  ledger.receives(4, 1_200)

  assert.deepEqual([ledger.replaysMs, ledger.absencesMs], [[5], [805]])
  assert.deepEqual([ledger.lost(4), ledger.doubled, ledger.disordered], [0, 0, 0])
})

test('a client that missed nothing, or was cut again, has no replay', () => {
  const ledger = new Ledger()
  ledger.receives(1, 100)
  ledger.cut(200)
  ledger.opens(300, 1)
  ledger.receives(2, 400)
  ledger.cut(500)
  ledger.opens(600, 4)
  ledger.receives(3, 601)
  ledger.cut(602)
  assert.deepEqual(ledger.replaysMs, [])

  ledger.opens(700, 4)
  ledger.receives(4, 710)
  assert.deepEqual([ledger.replaysMs, ledger.absencesMs], [[10], [210]])
})

test('lost, doubled and disordered messages are counted', () => {
  const ledger = new Ledger()
  for (const number of [1, 3, 2, 2, 5]) ledger.receives(number, 0)

  assert.deepEqual([ledger.lost(5), ledger.doubled, ledger.disordered], [1, 1, 1])
})

test('without a history a client has no replay, and what was published meanwhile is lost', () => {
  const ledger = new Ledger()
  ledger.receives(1, 100)
  ledger.cut(200)
  ledger.opens(1_000, 3)
  ledger.receives(4, 1_200)
  ledger.cut(1_300)
  ledger.opens(2_000, 4)
  ledger.receives(5, 2_100)

  assert.deepEqual([ledger.replaysMs, ledger.absencesMs], [[], []])
  assert.deepEqual([ledger.lost(5), ledger.doubled, ledger.disordered], [2, 0, 0])
})
