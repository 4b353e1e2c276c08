import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Figures, quantile, summarize } from './figures.ts'
import { type Row, table, verdicts } from './table.ts'

const ROW: Row = {
  title: 'CPU, µs',
  measure: 'us',
  goals: [{ than: 'nchan', most: 0.95 }, { than: 'AnyCable', most: 1 }, { than: 'raw', more: 0.25 }, { at: 6 }],
}

test('the median of an even number of samples is between the middle two, and the order of samples does not matter', () => {
  assert.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4 })
  assert.deepEqual(summarize([10, 9, 1]), { median: 9, least: 1, most: 10 })
  assert.equal(quantile([1, 2, 3, 4, 5], 0.99), 4.96)
})

test('a goal is met or missed by medians, and a server that was not measured is absent, never beaten', () => {
  const figures = new Figures()
  figures.add('us', 'Hotcable', 5, 6, 100)
  figures.add('us', 'nchan', 6, 6, 6)
  figures.add('us', 'raw', 5.75)

  assert.deepEqual(
    verdicts(ROW, figures).map(([, verdict]) => verdict),
    ['MISSED', 'absent', 'met', 'met'],
  )
})

test('without a figure of ours nothing is met', () => {
  const figures = new Figures()
  figures.add('us', 'nchan', 1)

  assert.deepEqual(new Set(verdicts(ROW, figures).map(([, verdict]) => verdict)), new Set(['not measured']))
})

test('a row shows the median, the span, and ours as a multiple of theirs', () => {
  const figures = new Figures()
  figures.add('us', 'Hotcable', 5, 6, 7)
  figures.add('us', 'nchan', 12)

  const [, , line] = table([ROW], figures).split('\n')

  assert.match(line!, /^\| CPU, µs \| 6 \(5–7\) \| – \| 12 → ×0\.50 \| /)
  assert.match(line!, /≤ 0\.95 × nchan met; ≤ 1 × AnyCable absent/)
})
