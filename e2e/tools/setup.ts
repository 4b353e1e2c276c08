/**
 * `npm run setup`: installs what the tests need beyond npm. As root on Debian or Ubuntu it installs what is missing; elsewhere it
 * says what to install. `--check` only looks; `--reference` adds the real AnyCable, to compare with; `--runtimes` adds Node 20 and 22,
 * `--proxies` nginx, HAProxy and Caddy, `--deploy` promtool and Kamal, `--firefox` Firefox. Exit code 0: all programs are here, except the extras,
 * which are not available everywhere: the gems of Rails and of AnyCable, which come from RubyGems; Bundler, Java,
 * Laravel, Symfony, Flask-WTF, go-sqlite3, Express and Fastify.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { LANGUAGES, type Language } from '../../backends/harness/languages.ts'
import { BUNDLER, EXTRAS, LIBRARIES, RUBY_GRPC, RUBY_REDIS, RUBY_SQLITE } from '../../backends/harness/libraries.ts'
import {
  CHROMIUM,
  FIREFOX,
  JAVA,
  KAMAL,
  missing,
  PGBOUNCER,
  POSTGRES,
  PROMETHEUS,
  PROXIES,
  REDIS,
  SYSTEMD,
  type Tool,
} from '../../backends/harness/toolchain.ts'
import { MAJORS, runtime, runtimeFolder, versionOf } from '../package/nodes.ts'

const usual = Object.values<Language>(LANGUAGES).filter(({ isExtra }) => !isExtra)
const TOOLS: readonly Tool[] = [...usual, ...Object.values(LIBRARIES), CHROMIUM, REDIS, POSTGRES, PGBOUNCER]

const GEMS = resolve('tmp/gems')

let updated = false

const absent = await find()
if (absent.length === 0) {
  console.log(`setup: everything is here: ${TOOLS.map(({ title }) => title).join(', ')}`)
} else if (process.argv.includes('--check')) {
  for (const tool of absent) console.error(`setup: ${missing(tool)}`)
  process.exitCode = 1
} else if (canInstall()) {
  if (!install(absent.flatMap(({ packages }) => packages))) process.exit(1)
  const still = await find()
  // Python in PATH may be an interpreter that apt-get did not install.
  for (const { title, needs } of still)
    console.error(`setup: ${title} is still not here: it needs ${needs}, first in PATH`)
  process.exitCode = still.length > 0 ? 1 : 0
} else {
  console.error('setup: these are missing; setup can install them only as root on Debian or Ubuntu:')
  for (const { title, needs, packages } of absent) {
    console.error(`  ${title}: ${needs} (Debian: ${packages.join(' ')})`)
  }
  process.exitCode = 1
}

const extras = [
  [LANGUAGES.rails, installRails],
  [BUNDLER, () => installPackages(BUNDLER)],
  [RUBY_REDIS, () => installGems('Redis in Rails', [RUBY_REDIS.gem])],
  // (Of the same version as in the Gemfile of Rails: a newer one is not compiled for Ruby 3.1.)
  [RUBY_GRPC, () => installGems('RPC over gRPC in Rails', ['google-protobuf:~> 4.30.0', RUBY_GRPC.gem])],
  [RUBY_SQLITE, () => installGems('ActiveRecord with SQLite', [RUBY_SQLITE.gem], RUBY_SQLITE.into)],
  [JAVA, () => installPackages(JAVA)],
  [EXTRAS.laravel, () => installPackages(EXTRAS.laravel)],
  [EXTRAS.symfony, () => installPackages(EXTRAS.symfony)],
  [EXTRAS.flaskWtf, () => installPackages(EXTRAS.flaskWtf)],
  [EXTRAS.goSqlite, () => installPackages(EXTRAS.goSqlite)],
  [EXTRAS.express, installFrameworks],
  [EXTRAS.fastify, installFrameworks],
] as const
for (const [tool, install] of extras) {
  if (await tool.isPresent()) continue
  if (process.argv.includes('--check')) console.error(`setup: ${missing(tool)}. All else is tested.`)
  else install()
}
if (process.argv.includes('--reference')) installReference()
if (process.argv.includes('--runtimes')) installRuntimes()
if (process.argv.includes('--proxies')) await installProxies()
if (process.argv.includes('--deploy')) await installDeploy()
if (process.argv.includes('--firefox')) await installFirefox()

/** For the Board in Rails: the gems of its Gemfile that the system lacks. Two of them are compiled. */
function installRails(): void {
  const compilers = ['ruby-dev', 'build-essential']
  if (spawnSync('ruby', ['-rmkmf', '-e', '']).status !== 0 && !(canInstall() && install(compilers)))
    console.log(`setup: to compile the gems of Rails, run apt-get install ${compilers.join(' ')}`)
  const gemfile = readFileSync('backends/rails/Gemfile', 'utf8')
  installGems(
    'the Board in Rails',
    [...gemfile.matchAll(/^gem "(.+)", "(.+)"/gm)].map(([, name, version]) => `${name}:${version}`),
  )
}

/** Debian and Ubuntu had Laravel and Symfony in some years and not in others. */
function installPackages(tool: Tool): void {
  const done = canInstall() && install(tool.packages)
  if (!done) console.log(`setup: ${missing(tool)}. Nothing is tested with it; all else is.`)
}

/** For their recipes; in the folder of the gems, because the project does not depend on them. (npm would remove other packages from it.) */
function installFrameworks(): void {
  const isInstalled = npm('tmp', 'express@5', 'fastify@5', '@fastify/formbody@9')
  console.log(
    isInstalled
      ? 'setup: installed Express and Fastify into tmp'
      : 'setup: Express and Fastify did not install; their recipes are not tested',
  )
}

/** For npm run test:nightly. */
async function installFirefox(): Promise<void> {
  if (await FIREFOX.isPresent()) return
  installPackages(FIREFOX)
  const isInstalled = npm(FIREFOX.folder, 'puppeteer-core@25') && (await FIREFOX.isPresent())
  console.log(isInstalled ? 'setup: Firefox is here, with puppeteer-core' : `setup: ${missing(FIREFOX)}`)
}

/** The real AnyCable: the conformance suite compares with it if it is here; nothing else needs it. */
function installReference(): void {
  if (globSync('tmp/gems/gems/anycable-thruster-*').length === 0) installGems('AnyCable', ['anycable-thruster'])
}

/** For npm run test:full; in the folder of the gems, because the project has a Node already. */
function installRuntimes(): void {
  for (const major of MAJORS) {
    const folder = runtimeFolder(major)
    const isHere = npm(folder, `node@${major}`) && versionOf(runtime(major)) !== undefined
    console.log(
      isHere
        ? `setup: installed Node ${major} into ${folder}`
        : `setup: Node ${major} did not install; nothing runs on it`,
    )
  }
}

/** For npm run test:full. The tests start proxies themselves. */
async function installProxies(): Promise<void> {
  for (const proxy of Object.values(PROXIES)) if (!(await proxy.isPresent())) installPackages(proxy)
  console.log('setup: Debian may have started nginx, HAProxy and Caddy as services; no test needs them running')
}

/** For npm run test:full: they check the files of deploy/. */
async function installDeploy(): Promise<void> {
  for (const tool of [PROMETHEUS, SYSTEMD]) if (!(await tool.isPresent())) installPackages(tool)
  if (!(await KAMAL.isPresent())) installGems('Kamal', ['kamal:~> 2.12'])
  console.log('setup: Debian may have started Prometheus as a service; no test needs it running')
}

/** Installs packages into a folder of ours. */
function npm(into: string, ...packages: string[]): boolean {
  const args = ['install', '--prefix', into, '--no-save', '--no-audit', '--no-fund', ...packages]
  return spawnSync('npm', args, { stdio: 'ignore', timeout: 300_000 }).status === 0
}

/** Installs gems into a folder of ours. */
function installGems(what: string, gems: readonly string[], into = GEMS): void {
  const from = performance.now()
  // The empty entry at the end of the path is the system's own gems, which need not be installed again.
  const env = { ...process.env, GEM_HOME: into, GEM_PATH: `${into}:` }
  const args = ['install', '--no-document', '--conservative', '--minimal-deps', ...gems]
  const { status, stderr, error } = spawnSync('gem', args, { env, encoding: 'utf8', timeout: 300_000 })
  if (status === 0) {
    console.log(
      `setup: ${what}: installed its gems into ${relative('', into)} in ${Math.round((performance.now() - from) / 1000)} s`,
    )
    return
  }
  console.log(`setup: ${what} is not here, and is not tested; all else is. Its gems did not install:`)
  console.log(`  ${(error?.message ?? stderr).trim().split('\n').slice(0, 3).join('\n  ')}`)
}

async function find(): Promise<Tool[]> {
  const present = await Promise.all(TOOLS.map(tool => tool.isPresent()))
  return TOOLS.filter((_, at) => !present[at])
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0
}

function install(packages: readonly string[]): boolean {
  updated ||= apt('update', '-qq')
  return updated && apt('install', '-y', '-qq', '--no-install-recommends', ...packages)
}

function apt(...args: string[]): boolean {
  console.log(`setup: apt-get ${args.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync('apt-get', args, { stdio: 'inherit', env })
  if (status !== 0) console.error(`setup: apt-get ${args[0]} failed`)
  return status === 0
}
