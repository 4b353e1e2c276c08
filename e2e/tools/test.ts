/**
 * `npm test`: runs one test of each kind; prints a table with the time of each step, and one line with the result.
 *
 *   node e2e/tools/test.ts                 the usual parts
 *   node e2e/tools/test.ts full            those, and the extra ones: npm run test:full
 *   node e2e/tools/test.ts nightly         what takes long: npm run test:nightly
 *   node e2e/tools/test.ts unit swap       these: parts.ts has their names
 *   node e2e/tools/test.ts usual heal      the usual ones, and one more
 *
 * Two steps run at a time, because steps mostly wait, but only one with a browser. When a step ends, we print all that it
 * printed.
 *
 * It installs nothing. It skips the tests of a missing program and says how to install it; with CI=true that is a failure.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { missing } from '../../backends/harness/toolchain.ts'
import { NIGHTLY, PARTS, type Step } from './parts.ts'

interface Count {
  passed: number
  failed: number
  skipped: number
}

/** No test is silent for longer, even on a busy machine. */
const SILENT_MS = 10 * 60_000

/** Prints what a step prints. */
type Print = (to: NodeJS.WriteStream, text: string | Buffer) => void

const scratch = mkdtempSync(join(tmpdir(), 'hotcable-test-'))
let reports = 0
const { env } = process

const all = Object.keys(PARTS)
const usual = all.filter(part => !PARTS[part]!.isExtra)
const full = all.filter(part => !PARTS[part]!.isNightly && !PARTS[part]!.needsDocker)
const lists: Readonly<Record<string, readonly string[]>> = { usual, full, nightly: NIGHTLY }
const asked = process.argv.slice(2).flatMap(name => lists[name] ?? [name])
const unknown = asked.filter(part => !(part in PARTS))
if (unknown.length > 0) {
  console.error(`No such part: ${unknown.join(', ')}. There are usual, full, nightly, ${all.join(', ')}.`)
  process.exit(1)
}
const wanted = asked.length > 0 ? new Set(asked) : new Set(usual)

// Every secret of the tests says «canary»; tokens and signed names are recognized by their form. No program that runs here
// may print one.
const LEAK = /canary|eyJ[\w-]{10,}\.[\w-]{10,}\.|[\w+/=-]{8,}--[0-9a-f]{64}|[?&]jid=\w/i
const leaks: string[] = []

const isIncomplete = spawnSync(process.execPath, ['e2e/tools/setup.ts', '--check'], { stdio: 'inherit' }).status !== 0
const total: Count = { passed: 0, failed: 0, skipped: 0 }
const table: string[] = []
const steps = [...wanted].flatMap(part => PARTS[part]!.steps.map(step => ({ part, step })))
const together = steps.filter(({ part }) => !PARTS[part]!.isAlone)
const queues = [
  together.filter(({ step }) => 'project' in step),
  together.filter(({ step }) => !('project' in step)),
].filter(queue => queue.length > 0)
let isAlone = queues.length < 2
const from = performance.now()
await Promise.all(queues.map(runAll))
isAlone = true
await runAll(steps.filter(({ part }) => PARTS[part]!.isAlone))
rmSync(scratch, { recursive: true })
console.log(`\n${table.join('\n')}\n${'all'.padEnd(10)} ${secondsSince(from)} s`)
const rest = all.filter(part => !wanted.has(part))
if (rest.length > 0) console.log(`\nNot run: ${rest.join(', ')} (npm run test:full, npm run test:nightly)`)
if (isIncomplete) console.log('\nSomething that the tests need is missing (see above): npm run setup installs it.')
for (const leak of leaks) console.log(`\nA secret, a token or a signed name was printed: ${leak.slice(0, 12)}…`)
total.failed += leaks.length
console.log(`\n${told(total)}`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)

async function runAll(queue: typeof steps): Promise<void> {
  const others = isAlone ? [] : queues.find(other => other !== queue)!
  // A lane that is done helps the other one, except with a browser: only one at a time.
  const next = () => queue.shift() ?? (others.some(({ step }) => 'project' in step) ? undefined : others.shift())
  for (let one = next(); one !== undefined; one = next()) {
    const { part, step } = one
    const from = performance.now()
    const printed: (() => void)[] = []
    // One lane prints as it goes; of two, the words of each step stay together.
    const print: Print = isAlone ? (to, text) => void to.write(text) : (to, text) => printed.push(() => to.write(text))
    if (!isAlone) console.log(`\n${titleOf(step)} begins`)
    const count = await take(step, print)
    for (const write of printed) write()
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += count[key]
    table.push(`${part.padEnd(10)} ${secondsSince(from)} s   ${told(count).padEnd(40)} ${titleOf(step)}`)
  }
}

function secondsSince(from: number): string {
  return ((performance.now() - from) / 1000).toFixed(0).padStart(5)
}

function told({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

function titleOf(step: Step): string {
  const within = 'within' in step ? ` within ${step.within}` : ''
  if ('project' in step) return `playwright ${step.project}${within}`
  if ('tests' in step) return `${step.tests.join(' ')}${within}`
  return step.program.join(' ').replace(process.execPath, 'node')
}

async function take(step: Step, print: Print): Promise<Count> {
  const say = (text: string) => print(process.stdout, `\n${text}\n`)
  say(titleOf(step))
  for (const tool of [step.needs ?? []].flat()) {
    if (await tool.isPresent()) continue
    say(`!!! ${missing(tool)}`)
    return env.CI === 'true' ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 }
  }
  if ('project' in step) return await playwright(step, print)
  if ('tests' in step) return await nodeTests(step, print)
  return await program(step, print)
}

async function nodeTests(
  { node = process.execPath, within, tests, only, skip, env }: Extract<Step, { tests: unknown }>,
  print: Print,
): Promise<Count> {
  const tally = join(scratch, `tally-${++reports}.json`)
  const args = [
    '--test',
    // The time-out is only for a step that hangs.
    '--test-timeout=300000',
    // Tests mostly wait.
    `--test-concurrency=${availableParallelism() + 1}`,
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    '--test-reporter=./e2e/tools/tally.ts',
    `--test-reporter-destination=${tally}`,
    ...(only === undefined ? [] : [`--test-name-pattern=${only}`]),
    ...(skip === undefined ? [] : [`--test-skip-pattern=${skip}`]),
  ]
  const { code } = await run(node, [...inside(within, node), ...args, ...tests], print, env)
  return settle(() => {
    const { crashes, ...count } = JSON.parse(readFileSync(tally, 'utf8')) as Count & { crashes: string[] }
    for (const crash of crashes) print(process.stdout, `${LEAK.test(crash) ? crash.split('\n', 1)[0] : crash}\n`)
    return count
  }, code)
}

/** The arguments of Node that start it again inside of a program. */
function inside(within: string | undefined, node = process.execPath): string[] {
  return within === undefined ? [] : [within, node]
}

async function playwright({ project, within, env }: Extract<Step, { project: unknown }>, print: Print): Promise<Count> {
  const report = join(scratch, `playwright-${++reports}.json`)
  const args = ['test', '--config', 'e2e/browser/playwright.config.ts', '--project', project]
  const { code } = await run(process.execPath, [...inside(within), 'node_modules/playwright/cli.js', ...args], print, {
    PLAYWRIGHT_JSON_OUTPUT_FILE: report,
    ...env,
  })
  return settle(() => {
    const { stats, errors } = JSON.parse(readFileSync(report, 'utf8'))
    return { passed: stats.expected, failed: stats.unexpected + stats.flaky + errors.length, skipped: stats.skipped }
  }, code)
}

async function program(
  { program: [command, ...args], asOne, env }: Extract<Step, { program: unknown }>,
  print: Print,
): Promise<Count> {
  const { code, output } = await run(command, args, print, env)
  if (asOne) return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }
  return settle(() => {
    const [, passed, failed] = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)!
    return { passed: Number(passed), failed: Number(failed), skipped: 0 }
  }, code)
}

/** A run without a readable count, or one that failed though no test failed, counts as a failure. */
function settle(read: () => Count, code: number): Count {
  try {
    const count = read()
    return code !== 0 && count.failed === 0 ? { ...count, failed: 1 } : count
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

async function run(
  command: string,
  args: readonly string[],
  print: Print,
  extra: Step['env'] = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...extra } })
  // A signal that stops the runner also stops its children.
  const stop = () => child.kill('SIGTERM')
  // Node's time-out ends a test, but not a loop that it left behind.
  let isStuck = false
  const ends = () => {
    isStuck = true
    print(process.stdout, `\n!!! ended, because it printed nothing for ${SILENT_MS / 60_000} minutes\n`)
    stop()
  }
  let silence = setTimeout(ends, SILENT_MS)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    let line = ''
    stream.on('data', data => {
      clearTimeout(silence)
      silence = setTimeout(ends, SILENT_MS)
      print(stream === child.stdout ? process.stdout : process.stderr, data)
      output = (output + data).slice(-10_000)
      line += data
      const [leak] = LEAK.exec(line) ?? []
      if (leak !== undefined) leaks.push(leak)
      line = leak === undefined ? line.slice(line.lastIndexOf('\n') + 1) : ''
    })
  }
  return await new Promise(resolve => {
    child.on('error', () => {
      print(process.stdout, `${command} is not installed\n`)
      resolve({ code: 127, output })
    })
    child.on('close', (code, signal) => {
      clearTimeout(silence)
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop)
      if (signal !== null && !isStuck) process.exit(1)
      resolve({ code: isStuck ? 1 : (code ?? 1), output })
    })
  })
}
