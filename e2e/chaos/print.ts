/** The table of a run, as Markdown. */

import type { Row } from './rows.ts'
import type { Result } from './run.ts'

const COLUMNS: readonly (readonly [title: string, of: (result: Result) => number | string])[] = [
  ['acknowledged', ({ acknowledged }) => acknowledged],
  ['refused', ({ refused }) => refused],
  ['became a refresh', ({ refreshed }) => refreshed],
  ['lost', ({ lost }) => lost],
  ['doubled', ({ doubled }) => doubled],
  ['out of order', ({ outOfOrder }) => outOfOrder],
  ['all true after', ({ seconds }) => (seconds === undefined ? 'never' : `${seconds.toFixed(1)} s`)],
]
const NAME_WIDTH = 65

export const HEADER = [
  line(
    'fault',
    COLUMNS.map(([title]) => title),
  ),
  line(
    '-'.repeat(NAME_WIDTH),
    COLUMNS.map(([title]) => `${'-'.repeat(title.length - 1)}:`),
  ),
].join('\n')

export const printResult = ({ name }: Row, result: Result): string =>
  line(
    name,
    COLUMNS.map(([, of]) => `${of(result)}`),
  )

function line(name: string, values: readonly string[]): string {
  const padded = values.map((value, at) => value.padStart(COLUMNS[at]![0].length))
  return `| ${[name.padEnd(NAME_WIDTH), ...padded].join(' | ')} |`
}

/** What is wrong with a result, in words. */
export function problemsOf({ isStored, mustLose }: Row, result: Result): string[] {
  const { lost, refreshed, doubled, outOfOrder, acknowledged } = result
  if (mustLose) return lost > 0 ? [] : ['the control lost nothing, so this run proves nothing']
  return [
    ...(lost > 0 ? [`${lost} pages are not true`] : []),
    ...(isStored && refreshed > 0 ? [`${refreshed} broadcasts that waited in a store became a refresh`] : []),
    ...(doubled > 0 ? [`${doubled} doubled`] : []),
    ...(outOfOrder > 0 ? [`${outOfOrder} out of order`] : []),
    ...(acknowledged === 0 ? ['nothing was acknowledged'] : []),
  ]
}
