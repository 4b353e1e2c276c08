/** docs/operating.md: its commands change a key without refusing anything, and its lines of the log are those of the cable. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { broadcast, broadcastKey, issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'
import { blocksOf, commandsOf } from './commands.ts'

const PAGE = readFileSync('docs/operating.md', 'utf8')
const COMMANDS = commandsOf('docs/operating.md', '### A drill')
const [SETUP] = commandsOf('deploy/README.md', '## docker-compose') as [string]

interface Machine {
  cable: RunningCable
  /** The secret with which the backends sign. */
  backends: string
  /** Runs commands in deploy/secrets, and restarts what they restart. Returns what they print. */
  run: (block: string) => Promise<string>
}

/** As in deploy/compose.yml, but the cable is a process, and the backends are this test. */
async function startMachine(t: TestContext): Promise<Machine> {
  const root = mkdtempSync(join(tmpdir(), 'hotcable-drill-'))
  t.after(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'deploy'))
  const secrets = join(root, 'deploy/secrets')
  const calls = join(root, 'calls')
  const shell = (block: string, cwd: string, metrics = ''): string => {
    const docker = 'docker() { echo "$@" >> "$CALLS"; case "$*" in *" exec "*) shift 6; "$@" ;; esac; }'
    writeFileSync(calls, '')
    const script = `set -e\n${docker}\n${block}`
      .replaceAll('http://127.0.0.1:9100/metrics', metrics)
      .replaceAll('/with-secrets.sh', resolve('deploy/with-secrets.sh'))
      .replaceAll('/app/bin/hotcable.js', resolve('cli/main.ts'))
    return execFileSync('sh', ['-c', script], {
      cwd,
      env: {
        ...process.env,
        CALLS: calls,
        SECRETS_FOLDER: secrets,
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      },
      encoding: 'utf8',
    })
  }
  const start = () =>
    startCable(['--metrics_http=/metrics', '--turbo_streams', '--http_broadcast_port=0', '--shutdown_timeout=2'], {
      settings: { SECRETS_FOLDER: secrets },
      program: ['sh', 'deploy/with-secrets.sh', process.execPath, 'cli/main.ts', 'cable'],
    })
  const secret = () => readFileSync(join(secrets, 'ANYCABLE_SECRET'), 'utf8').trim()
  shell(SETUP, root)
  const machine: Machine = {
    cable: await start(),
    backends: secret(),
    async run(block) {
      const metrics = new URL('/metrics', machine.cable.url.replace('ws', 'http')).href
      const printed = shell(block.replace(/^cd .*$/m, ''), secrets, metrics)
      for (const call of readFileSync(calls, 'utf8').trim().split('\n')) {
        if (/ up .* web/.test(call)) machine.backends = secret()
        if (!/ (up|restart) .*\bcable$| restart cable$/.test(call)) continue
        await machine.cable.stop()
        machine.cable = await start()
      }
      return printed
    },
  }
  t.after(() => machine.cable.stop('SIGKILL'))
  return machine
}

/** A page of this secret connects, subscribes, and gets a broadcast with its key. */
async function works(t: TestContext, { cable }: Machine, secret: string): Promise<void> {
  const client = await connect(t, cable.url, { query: `?jid=${issueToken({ id: 'ada' }, { secret })}` })
  await client.welcomed()
  await client.confirmed(turboIdentifier(signStream('news', { secret })))
  await broadcast('news', 'hello', { url: cable.broadcast, key: broadcastKey({ secret }) })
  assert.equal((await client.next()).message, 'hello')
}

test('the drill changes the secret, and refuses no page and no backend meanwhile', async t => {
  assert.equal(COMMANDS.length, 4)
  const [accept, change, count, remove] = COMMANDS as [string, string, string, string]
  const machine = await startMachine(t)
  const old = machine.backends
  await works(t, machine, old)

  await machine.run(accept)
  assert.equal(machine.backends, old)
  await works(t, machine, old)

  await machine.run(change)
  assert.notEqual(machine.backends, old)
  await works(t, machine, machine.backends)
  await works(t, machine, old) // a page that has not refreshed yet

  const numbers = await machine.run(count)
  assert.match(numbers, /kind="(jwt|token)",key="previous_1"\} 1/)
  await works(t, machine, machine.backends)
  assert.equal(await machine.run(count), numbers)

  await machine.run(remove)
  await works(t, machine, machine.backends)
  const { url, broadcast: posts } = machine.cable
  const refused = await connect(t, url, { query: `?jid=${issueToken({}, { secret: old })}` })
  assert.equal((await refused.next()).type, 'disconnect')
  await assert.rejects(broadcast('news', 'x', { url: posts, key: broadcastKey({ secret: old }) }), /401/)
})

test('docker compose reads its settings from deploy/.env, so that every command on these pages has them', () => {
  const commands = [PAGE, readFileSync('deploy/README.md', 'utf8')].flatMap(blocksOf).join('')

  assert.match(SETUP, /^echo SITE=\S+ > deploy\/\.env$/m)
  assert.match(commands, /^docker compose -f /m)
  assert.doesNotMatch(commands, /^(?:export |[A-Z_]+=)/m)
})

test('every line of the log in docs/operating.md is in the code of the cable', () => {
  const code = globSync('server/**/!(*.test).ts')
    .map(file => readFileSync(file, 'utf8'))
    .join('\n')
  const [, table] = /\n\| level \| line \| fields \|\n(.*?)\n\n/s.exec(PAGE)!
  const rows = table!.split('\n').slice(1)
  const lines = rows.flatMap(row => [...row.split(' | ')[1]!.matchAll(/`([^`]+)`/g)].map(([, line]) => line!))

  for (const line of lines.filter(line => line !== 'reject_history'))
    assert.ok(code.includes(line.replace(/…$/, '').trimEnd().replace(/:$/, '')), line)
  assert.ok(lines.length > 20)
})
