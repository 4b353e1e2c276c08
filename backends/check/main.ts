/**
 * Checks whether a program in any language makes the same bytes as the helpers here.
 *
 *   npm run check:backend -- python3 adapter.py         a command, or one quoted line for a shell
 *   npm run check:backend -- --timeout=30 ./adapter     seconds that an answer may take; default 10
 *
 * It asks one JSON line at a time, and prints a table: each family of vectors passed, or the first mistake, in words.
 * The line protocol is in backends/README.md. Exit code: 0 all passed, 1 a mistake was found, 2 no command.
 */
import { startBroadcasts } from './broadcasts.ts'
import { check, type FamilyVerdict } from './check.ts'
import type { Finding } from './explain.ts'
import { type Family, families } from './families.ts'
import { startPositions } from './positions.ts'

const { argv, env } = process
const [option] = argv.slice(2)
const seconds = /^--timeout=(\d+(?:\.\d+)?)$/.exec(option ?? '')?.[1]
const [command, ...args] = argv.slice(seconds === undefined ? 2 : 3)
if (command === undefined || command.startsWith('-')) {
  console.error(
    'check:backend [--timeout=SECONDS] COMMAND…\n\nfor example: npm run check:backend -- python3 adapter.py',
  )
  process.exit(2)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const options = { timeoutMs: Number(seconds ?? 10) * 1000, cwd: env.INIT_CWD || undefined }
const [positions, broadcasts] = [await startPositions(), await startBroadcasts()]
const all = [...families(), positions.family, ...broadcasts.families]
const verdicts: FamilyVerdict[] = []
for (const family of all) {
  const verdict = await check(family, [command, ...args], options)
  verdicts.push(verdict)
  // Do not wait again for a program that does not answer at all.
  if (verdict.answered === 0) break
}
positions.close()
broadcasts.close()
print(verdicts)
process.exitCode = verdicts.every(({ says }) => says === 'passed') ? 0 : 1

function print(verdicts: readonly FamilyVerdict[]): void {
  const rows = all.map(({ name, file, cases }) => {
    const verdict = verdicts.find(({ family }) => family.name === name)
    const more = (verdict?.findings.length ?? 0) > 1 ? `, and ${verdict!.findings.length - 1} more` : ''
    return [name, file, `${verdict?.passed ?? 0} of ${cases.length}`, verdict ? verdict.says + more : 'not asked']
  })
  const titles = ['asked', 'vectors', 'right', '']
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell))
      .join('   ')
      .trimEnd()
  console.log([line(titles), ...rows.map(line)].join('\n'))
  for (const { family, findings } of verdicts) for (const finding of findings) printFinding(family, finding)
  const right = verdicts.reduce((sum, { passed }) => sum + passed, 0)
  const asked = all.reduce((sum, { cases }) => sum + cases.length, 0)
  console.log(`\n${right} passed, ${asked - right} failed`)
}

function printFinding({ name }: Family, { says, results, shows }: Finding): void {
  console.log(`\n${name}: ${says} (${results.length === 1 ? '1 case' : `${results.length} cases`})`)
  for (const line of shows) console.log(`  ${line}`)
}
