import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Figures, quantile, summarize } from './figures.ts'
import { matrix, type TableRow, table, verdicts } from './table.ts'

const ROW: TableRow = {
  title: 'CPU, µs',
  measure: 'us',
  goals: [{ than: 'nchan', most: 0.95 }, { than: 'AnyCable', most: 1 }, { than: 'raw', more: 0.25 }, { at: 6 }],
}

test('the median of an even number of samples is between the middle two, in whatever order they come', () => {
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

test('figures that were taken side by side are compared with each other, not by their medians', () => {
  const figures = new Figures()
  // The machine was half as fast in the second pair.
  figures.pair('us', ['Hotcable', 4], ['nchan', 5])
  figures.pair('us', ['Hotcable', 8], ['nchan', 10])
  figures.add('us', 'Hotcable', 8, 8, 8)

  assert.equal(figures.get('us', 'Hotcable')?.median, 8)
  assert.equal(figures.ratio('us', 'Hotcable', 'nchan'), 0.8)
  assert.equal(figures.ratio('us', 'nchan', 'Hotcable'), 1.25)
  assert.deepEqual(verdicts(ROW, figures)[0], ['≤ 0.95 × nchan', 'met'])
  assert.match(table([ROW], figures), / 7\.5 \(5–10\) → ×0\.80 /)
})

test('without a figure of ours no goal is met', () => {
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

test('a matrix has a row for each server with a figure, and nothing without figures', () => {
  const figures = new Figures()
  const columns = { 'CPU, µs': 'us', 'memory, KiB': 'rss' }
  assert.equal(matrix(columns, ['Redis'], figures), '')
  figures.add('us', 'Redis', 1, 2, 3)

  assert.deepEqual(matrix(columns, ['memory', 'Redis'], figures).split('\n'), [
    '|  | CPU, µs | memory, KiB |',
    '| --- | --- | --- |',
    '| Redis | 2 (1–3) | – |',
  ])
})
