/**
 * `npm test`: everything, in order, and one line that says how it went.
 *
 *   unit       the cable, the Board, start
 *   languages  the vectors in every language, by its own runner; the boards; what they sign against a running cable
 *   browser    Playwright
 *
 * and, when asked for (npm run e2e:swap)
 *
 *   swap       the browser tests with the real AnyCable in the place of our cable: npm run setup -- --reference
 *
 * It installs nothing: what is missing is named, with `npm run setup`. `node e2e/test.ts unit` runs one part.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findAnycable } from './conformance/servers.ts'

interface Count {
  passed: number
  failed: number
  skipped: number
}

const scratch = mkdtempSync(join(tmpdir(), 'hotcable-test-'))
const tally = join(scratch, 'tally.json')
const { env } = process

const PARTS: Record<string, (() => Promise<Count>)[]> = {
  unit: [() => nodeTests('server/**/*.test.ts', 'web/**/*.test.ts', 'start/**/*.test.ts')],
  languages: [
    () => closingLine('node', 'backends/vectors/generate.ts', '--check'),
    () => nodeTests('backends/**/*.test.ts', 'e2e/**/*.test.ts'),
    () => closingLine('python3', 'backends/python/check.py'),
    () => closingLine('php', 'backends/php/check.php'),
    () => closingLine('ruby', 'backends/ruby/check.rb'),
    () => closingLine('sh', '-c', 'cd backends/go && go test -count=1 -timeout=60s'),
  ],
  browser: [() => playwright('board')],
  swap: [() => playwright('swap', { HOTCABLE_E2E_CABLE: 'anycable' })],
}
/** What `npm test` is. */
const USUAL = ['unit', 'languages', 'browser']

const wanted = process.argv.slice(2)
const unknown = wanted.filter(part => !(part in PARTS))
if (unknown.length > 0) {
  console.error(`No such part: ${unknown.join(', ')}. There are ${Object.keys(PARTS).join(', ')}.`)
  process.exit(1)
}

// Every secret of the tests says «canary»; tokens and signed names are known by their shape. None may be printed by
// anything that runs here.
const LEAK = /canary|eyJ[\w-]{10,}\.[\w-]{10,}\.|[\w+/=-]{8,}--[0-9a-f]{64}|[?&]jid=\w/i
const leaks: string[] = []

const missing = spawnSync(process.execPath, ['e2e/setup.ts', '--check'], { stdio: 'inherit' }).status !== 0
const total: Count = { passed: 0, failed: 0, skipped: 0 }
for (const part of wanted.length > 0 ? wanted : USUAL) {
  for (const step of PARTS[part]!) {
    const count = await step()
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += count[key]
  }
}
rmSync(scratch, { recursive: true })
for (const leak of leaks) console.log(`\nA secret, a token or a signed name was printed: ${leak.slice(0, 12)}…`)
total.failed += leaks.length
if (missing) console.log('\nSomething that the tests need is missing (see above): npm run setup installs it.')
console.log(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)

async function nodeTests(...patterns: string[]): Promise<Count> {
  rmSync(tally, { force: true })
  const reporters = [
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    '--test-reporter=./e2e/tally.ts',
    `--test-reporter-destination=${tally}`,
  ]
  const { code } = await run(process.execPath, ['--test', '--test-timeout=300000', ...reporters, ...patterns])
  return settle(() => JSON.parse(readFileSync(tally, 'utf8')), code)
}

async function playwright(project: string, extra: Record<string, string> = {}): Promise<Count> {
  if (project === 'swap' && findAnycable() === undefined) {
    console.log('\n!!! The real AnyCable is not here: npm run setup -- --reference\n')
    return { passed: 0, failed: 0, skipped: 1 }
  }
  const report = join(scratch, 'playwright.json')
  const { code } = await run(
    process.execPath,
    ['node_modules/playwright/cli.js', 'test', '--config', 'e2e/playwright.config.ts', '--project', project],
    { PLAYWRIGHT_JSON_OUTPUT_FILE: report, ...extra },
  )
  return settle(() => {
    const { stats, errors } = JSON.parse(readFileSync(report, 'utf8'))
    return { passed: stats.expected, failed: stats.unexpected + stats.flaky + errors.length, skipped: stats.skipped }
  }, code)
}

/** A program that prints `N passed, N failed` as a line of its own. */
async function closingLine(command: string, ...args: string[]): Promise<Count> {
  console.log(`\n${command} ${args.join(' ')}`)
  const { code, output } = await run(command === 'node' ? process.execPath : command, args)
  if (code === 127)
    return env.CI === 'true' ? { passed: 0, failed: 1, skipped: 0 } : { passed: 0, failed: 0, skipped: 1 }
  return settle(() => {
    const [, passed, failed] = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1)!
    return { passed: Number(passed), failed: Number(failed), skipped: 0 }
  }, code)
}

/** A run whose count cannot be read, or that failed without one failure, is a failure. */
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
  args: string[],
  extra: Record<string, string> = {},
): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...extra } })
  // Whoever stops the tests stops what they started.
  const stop = () => child.kill('SIGTERM')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    let line = ''
    stream.on('data', data => {
      ;(stream === child.stdout ? process.stdout : process.stderr).write(data)
      output = (output + data).slice(-10_000)
      line += data
      const [leak] = LEAK.exec(line) ?? []
      if (leak !== undefined) leaks.push(leak)
      line = leak === undefined ? line.slice(line.lastIndexOf('\n') + 1) : ''
    })
  }
  return await new Promise(resolve => {
    child.on('error', () => {
      console.log(`${command} is not installed`)
      resolve({ code: 127, output })
    })
    child.on('close', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop)
      if (signal !== null) process.exit(1)
      resolve({ code: code ?? 1, output })
    })
  })
}
