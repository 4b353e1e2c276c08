/** The files of deploy/: each can be read by its program, or at least parsed, and has only settings and metrics that exist. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { KAMAL, missing, PROMETHEUS, SYSTEMD, type Tool } from '../../backends/harness/toolchain.ts'
import { startCable } from '../../testing/cable.ts'

const FILES = globSync('deploy/**', { withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => join(entry.parentPath, entry.name))
  .filter(file => !file.startsWith('deploy/secrets/') && basename(file) !== '.env')
  .sort()
const read = (file: string) => readFileSync(file, 'utf8')

/** Variables of the Board, of the helpers and of the files themselves. */
const OTHERS = new Set([
  ...['HOTCABLE_DB', 'HOTCABLE_CABLE_URL', 'ANYCABLE_HTTP_BROADCAST_URL', 'ANYCABLE_WEBSOCKET_URL'],
  ...['PYTHON', 'PHP', 'RUBY'].map(name => `HOTCABLE_BOARD_${name}_URL`),
])
/** Flags of other programs. */
const FOREIGN =
  /^--(config|adapter|build|profile|target|copy-config|no-deploy|ha|from-literal|save|maxmemory|maxmemory-policy|protected-mode|max-semi-space-size|quiet|apply|now|webroot|deploy-hook)$/

test('the table of targets has every file', () => {
  const readme = read('deploy/README.md')

  for (const file of FILES.filter(file => file !== 'deploy/README.md'))
    assert.ok(readme.includes(`](${file.replace('deploy/', '')})`), file)
})

test('every file with a format can be parsed', () => {
  for (const file of FILES) {
    if (/\.ya?ml$/.test(file)) assert.ok(yaml(file).length > 0, file)
    if (file.endsWith('.toml')) parseToml(read(file))
    if (file.endsWith('.json')) JSON.parse(read(file))
  }
})

test('every flag and every variable of the cable is a setting', () => {
  const help = execFileSync(process.execPath, ['cli/main.ts', 'cable', '--help'], { encoding: 'utf8' })
  const variables = new Set(read('.env.example').match(/\b(ANYCABLE|HOTCABLE)_[A-Z_0-9]+/g))
  let checked = 0
  for (const file of FILES) {
    for (const [, flag] of read(file).matchAll(/(?<![\w-])(--[a-z][\w-]*)/g)) {
      if (FOREIGN.test(flag!)) continue
      assert.match(help, new RegExp(`^ +${flag}\\b`, 'm'), `${file}: ${flag}`)
      checked++
    }
    for (const [name] of read(file).matchAll(/\b(ANYCABLE|HOTCABLE)_[A-Z_0-9]+/g)) {
      assert.ok(variables.has(name) || OTHERS.has(name), `${file}: ${name}`)
      checked++
    }
  }
  assert.ok(checked > 40)
})

interface Service {
  readonly ports?: readonly string[]
  readonly [setting: string]: unknown
}

test('in compose.yml only Caddy has ports of the machine, and no service can write its file system or take all memory', () => {
  const [{ services }] = yaml('deploy/compose.yml') as [{ services: Readonly<Record<string, Service>> }]

  assert.ok(Object.keys(services).length > 6)
  for (const [name, service] of Object.entries(services)) {
    const { read_only, cap_drop, mem_limit, pids_limit, security_opt } = service
    assert.deepEqual([name, read_only, cap_drop], [name, true, ['ALL']])
    assert.deepEqual([name, typeof mem_limit, typeof pids_limit], [name, 'string', 'number'])
    assert.deepEqual([name, security_opt], [name, ['no-new-privileges:true']])
    assert.equal(service.ports !== undefined, name === 'caddy', name)
    assert.doesNotMatch(JSON.stringify(service.environment ?? {}), /SECRET/, name)
  }
})

test('a program gets each secret file as a variable, but an empty one', t => {
  const folder = scratch(t)
  writeFileSync(join(folder, 'ANYCABLE_SECRET'), 'canary with "quotes" and $dollars\n')
  writeFileSync(join(folder, 'HOTCABLE_JWT_PREVIOUS_SECRETS'), '\n')

  const print = 'console.log(JSON.stringify([process.env.ANYCABLE_SECRET, process.env.HOTCABLE_JWT_PREVIOUS_SECRETS]))'
  const { stdout, status } = spawnSync('sh', ['deploy/with-secrets.sh', process.execPath, '-e', print], {
    env: { PATH: process.env.PATH, SECRETS_FOLDER: folder },
    encoding: 'utf8',
  })

  assert.equal(status, 0)
  assert.deepEqual(JSON.parse(stdout), ['canary with "quotes" and $dollars', null])
})

test('a running cable has every metric of the alerts and of the dashboard', async t => {
  const flags = ['--metrics_http=/metrics', '--noauth', '--rpc_host=http://127.0.0.1:9/_anycable']
  const { url, stop } = await startCable(flags)
  t.after(() => stop('SIGKILL'))
  const text = await (await fetch(new URL('/metrics', url.replace('ws', 'http')))).text()
  // (A metric with labels has no line of numbers before it has counted something.)
  const names = new Set(
    [...text.matchAll(/^# TYPE (\w+) (\w+)/gm)].flatMap(([, name, type]) =>
      type === 'histogram' ? [name, `${name}_bucket`] : [name],
    ),
  )

  for (const file of FILES.filter(file => file.startsWith('deploy/monitoring/')))
    for (const [name] of read(file).matchAll(/\banycable_go_\w+\b/g)) assert.ok(names.has(name), `${file}: ${name}`)
})

checked(
  PROMETHEUS,
  'promtool accepts the alerts, their tests pass, and it can parse each query of the dashboard',
  t => {
    const monitoring = resolve('deploy/monitoring')
    runs('promtool', ['check', 'config', 'prometheus.yml'], monitoring)
    runs('promtool', ['test', 'rules', 'alerts.test.yml'], monitoring)

    const { panels } = JSON.parse(read('deploy/monitoring/grafana.json'))
    const queries: string[] = panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    )
    assert.ok(queries.length > 12)
    const rules = queries.map((expr, at) => ({
      record: `query:${at}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }))
    const folder = scratch(t)
    // (JSON is YAML.)
    writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
    runs('promtool', ['check', 'rules', 'rules.yml'], folder)
  },
)

checked(SYSTEMD, 'systemd accepts the units', t => {
  const folder = scratch(t)
  const units = FILES.filter(file => file.startsWith('deploy/systemd/'))
  assert.equal(units.length, 3)
  for (const unit of units) {
    assert.match(read(unit), /^\[Unit\]$/m)
    // It must find the programs.
    writeFileSync(join(folder, basename(unit)), read(unit).replaceAll('/usr/bin/hotcable', process.execPath))
  }

  runs('systemd-analyze', ['verify', ...units.map(unit => join(folder, basename(unit)))], folder)
})

checked(KAMAL, 'kamal accepts its file', t => {
  const folder = scratch(t)
  mkdirSync(join(folder, 'config'))
  mkdirSync(join(folder, '.kamal'))
  copyFileSync('deploy/kamal.yml', join(folder, 'config/deploy.yml'))
  writeFileSync(join(folder, '.kamal/secrets'), 'ANYCABLE_SECRET=canary\nKAMAL_REGISTRY_PASSWORD=canary\n')

  const gems = resolve('tmp/gems')
  const env = { ...process.env, GEM_HOME: gems, GEM_PATH: `${gems}:` }
  const printed = runs(join(gems, 'bin/kamal'), ['config', '--version', '1'], folder, env)

  assert.match(printed, /board-cable|hotcable/)
})

/** A test that needs a program. */
function checked(tool: Tool, title: string, check: (t: TestContext) => void): void {
  test(title, async t => {
    if (await tool.isPresent()) return check(t)
    if (process.env.CI === 'true') assert.fail(missing(tool))
    console.error(`\n!!! ${missing(tool)}\n`)
    t.skip(missing(tool))
  })
}

function runs(command: string, args: readonly string[], cwd: string, env = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${error?.message ?? ''}${stdout}${stderr}`)
  return stdout
}

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-deploy-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The documents of a YAML file, read by Ruby. */
function yaml(file: string): unknown[] {
  const program =
    'puts JSON.generate(Psych.parse_stream($stdin.read).children.map { |one| Psych.safe_load(one.to_ruby.to_yaml, aliases: true) })'
  const printed = execFileSync('ruby', ['-ryaml', '-rjson', '-e', program], { input: read(file), encoding: 'utf8' })
  return JSON.parse(printed)
}
