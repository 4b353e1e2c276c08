/**
 * `npm run chaos`: what do pages lose when something fails? Real cables, Redis, Sentinel and PostgreSQL as processes, 40 pages with
 * both stock clients that change nodes at every connection, and one fault a row. The exit code is 1 if a page stayed wrong, if
 * a broadcast that waited in a store became a refresh, if a message came twice or out of order, or if the control lost nothing.
 */
import { randomInt } from 'node:crypto'
import { readOptions } from '../../start/options.ts'
import { HEADER, printResult, problemsOf } from './print.ts'
import { ROWS, type Row } from './rows.ts'
import { run } from './run.ts'

const USAGE = `Usage: npm run chaos [-- --quick --only=WORDS --seed=NUMBER]

Lets real servers and processes fail, one fault a row, in a quarter of an hour, and says what pages lose.

  --quick        one short row of each kind, in three minutes
  --only=WORDS   the rows whose names contain one of these words, such as Sentinel; comma-separated
  --seed=NUMBER  when which item is written, and which connection breaks`

const values = readOptions(
  USAGE,
  {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
  },
  ['seed'],
)
const words = values.only.split(',')
const rows = ROWS.filter(({ name, isQuick }) => (!values.quick || isQuick) && words.some(word => name.includes(word)))
const calmMs = values.quick ? 2_000 : 4_000
const problems: string[] = []

console.log(`seed ${values.seed}\n\n${HEADER}`)
for (const row of rows) problems.push(...(await play(row)))
if (rows.length === 0) problems.push(`no row has such a name: ${values.only}`)
console.log(problems.length > 0 ? `\n${problems.join('\n')}` : `\nall well: ${rows.length} rows`)
process.exit(problems.length > 0 ? 1 : 0)

/** Returns what is wrong. */
async function play(row: Row): Promise<string[]> {
  if (row.skip) {
    console.log(`!!! skipped: ${row.name}: ${row.skip}`)
    return []
  }
  try {
    const result = await run(row, Number(values.seed), calmMs)
    console.log(printResult(row, result))
    for (const detail of result.details) console.log(`    ${detail.replaceAll('\n', '\n    ')}`)
    return problemsOf(row, result).map(problem => `${row.name}: ${problem}`)
  } catch (error) {
    console.log(`!!! ${row.name}: ${(error as Error).stack}`)
    return [`${row.name}: ${(error as Error).message}`]
  }
}
