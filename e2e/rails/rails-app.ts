/**
 * An app that `rails new` makes, with the files of e2e/rails/app, and with the gems that `npm run setup` installs. Its commands run
 * as those of a user do; only ports and paths differ.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { withoutSettings } from '../../testing/cable.ts'
import { end, endsWithUs } from '../../testing/child.ts'

const GEMS = resolve('tmp/gems')
const FILES = 'e2e/rails/app'
/** No mail, no files, no database. */
const SKIPPED = [
  ...['bundle', 'git', 'active-record', 'active-storage', 'action-mailer', 'action-mailbox', 'action-text', 'test'],
  ...['javascript', 'asset-pipeline', 'bootsnap', 'docker', 'ci', 'brakeman', 'rubocop', 'dev-gems', 'jbuilder'],
].map(name => `--skip-${name}`)

type Scope = { after: (clean: () => unknown) => void }
type Settings = Readonly<Record<string, string>>

export interface RailsApp {
  readonly folder: string
  read: (file: string) => string
  write: (file: string, content: string) => void
  /** Runs lines of a shell; resolves with what they wrote. Rejects if they fail. */
  run: (lines: string, settings?: Settings) => Promise<string>
  /** Starts a program, until the test ends. */
  start: (line: string, settings?: Settings) => ChildProcess
  /** Starts Rails at this port; resolves once it answers a request with these headers. */
  serve: (line: string, port: number, settings?: Settings, headers?: Settings) => Promise<ChildProcess>
}

/** `gems`: lines of its Gemfile, besides those of the Board in Rails. */
export async function makeRailsApp(t: Scope, gems: readonly string[]): Promise<RailsApp> {
  const folder = mkdtempSync(join(tmpdir(), 'rails-'))
  const running: ChildProcess[] = []
  t.after(async () => {
    for (const child of running) await end(child)
    rmSync(folder, { recursive: true, maxRetries: 5 })
  })
  const env: NodeJS.ProcessEnv = {
    ...withoutSettings('ANYCABLE_', 'HOTCABLE_', 'RAILS_', 'BUNDLE_', 'REDIS_'),
    GEM_HOME: GEMS,
    GEM_PATH: `${GEMS}:`,
  }
  const start = (line: string, settings: Settings = {}) => {
    // (Its programs are a group of processes, which end together.)
    const options = { cwd: folder, env: { ...env, ...settings }, detached: true }
    return endsWithUs(spawn('sh', ['-ec', line], { ...options, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
  const app: RailsApp = {
    folder,
    read: file => readFileSync(join(folder, file), 'utf8'),
    write: (file, content) => writeFileSync(join(folder, file), content),
    async run(lines, settings) {
      const child = start(lines, settings)
      const exited = new Promise(then => child.once('exit', then))
      const [written, complaints] = await Promise.all([text(child.stdout), text(child.stderr), exited])
      assert.equal(child.exitCode, 0, `${lines}\n${written}${complaints}`)
      return written
    },
    start(line, settings) {
      const child = start(`exec ${line}`, settings)
      child.stdout.resume()
      child.stderr.pipe(process.stderr)
      running.push(child)
      return child
    },
    async serve(line, port, settings, headers = {}) {
      const child = app.start(line, settings)
      const isUp = () => fetch(`http://127.0.0.1:${port}/up`, { headers, redirect: 'manual' }).then(({ ok }) => ok)
      await until(() => isUp().catch(() => false), child)
      return child
    },
  }
  await app.run(`${GEMS}/bin/rails new . --name=chat ${SKIPPED.join(' ')}`)
  cpSync(FILES, folder, { recursive: true })
  const gemfile = readFileSync('backends/rails/Gemfile', 'utf8').split('\n')
  const others = gemfile.filter(line => !/^gem "(?:anycable|sqlite3)/.test(line))
  app.write('Gemfile', [...others, ...gems, ''].join('\n'))
  await app.run('bundle install --local')
  // So the gems' generators see that its pages use Turbo.
  await app.run(`mkdir -p app/javascript && echo 'import "@hotwired/turbo-rails"' > app/javascript/application.js`)
  return app
}

/** Resolves once it is so. Rejects when `child` has exited. */
export async function until(isSo: () => boolean | Promise<boolean>, child: ChildProcess): Promise<void> {
  while (!(await isSo())) {
    assert.equal(child.exitCode ?? child.signalCode, null, 'the program has exited')
    await pause(30)
  }
}
