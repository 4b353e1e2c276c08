/**
 * `npm run setup`: what the tests need beyond npm. As root on Debian or Ubuntu it installs what is missing; elsewhere it
 * says what to install. `--check` only looks; `--reference` adds the real AnyCable, to compare with. Exit code 0: everything is
 * here.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { CHROMIUM, GO, LANGUAGES, missing, type Tool } from '../backends/toolchain.ts'

const TOOLS: readonly Tool[] = [...Object.values(LANGUAGES), GO, CHROMIUM]

const absent = await find()
if (absent.length === 0) {
  console.log(`setup: everything is here: ${TOOLS.map(({ title }) => title).join(', ')}`)
} else if (process.argv.includes('--check')) {
  for (const tool of absent) console.error(`setup: ${missing(tool)}`)
  process.exitCode = 1
} else if (canInstall()) {
  install(absent.flatMap(({ packages }) => packages))
  const still = await find()
  // Its own interpreter, earlier in PATH, is one that apt-get does not reach.
  for (const { title, needs } of still)
    console.error(`setup: ${title} is still not here: it needs ${needs}, first in PATH`)
  process.exitCode = still.length > 0 ? 1 : 0
} else {
  console.error('setup: missing here, and not installed because that takes root on Debian or Ubuntu:')
  for (const { title, needs, packages } of absent) {
    console.error(`  ${title}: ${needs} (Debian: ${packages.join(' ')})`)
  }
  process.exitCode = 1
}

if (process.argv.includes('--reference')) installReference()

/** The real AnyCable, which the conformance suite is also held to when it is here; nothing else needs it. */
function installReference(): void {
  if (globSync('tmp/gems/gems/anycable-thruster-*').length > 0) return
  const args = ['install', '--install-dir', 'tmp/gems', '--no-document', 'anycable-thruster']
  console.log(`setup: gem ${args.join(' ')}`)
  const { status } = spawnSync('gem', args, { stdio: 'ignore', timeout: 120_000 })
  if (status !== 0)
    console.log('setup: it did not install; the cable is then not compared with AnyCable, and all else is')
}

async function find(): Promise<Tool[]> {
  const present = await Promise.all(TOOLS.map(tool => tool.isPresent()))
  return TOOLS.filter((_, at) => !present[at])
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0
}

function install(packages: readonly string[]): void {
  run('apt-get', 'update', '-qq')
  run('apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages)
}

function run(command: string, ...args: string[]): void {
  console.log(`setup: ${command} ${args.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync(command, args, { stdio: 'inherit', env })
  if (status !== 0) {
    console.error(`setup: ${command} ${args[0]} failed`)
    process.exit(1)
  }
}
