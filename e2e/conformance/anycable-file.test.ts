/** A file of settings that the real AnyCable prints starts this cable, with the same settings. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { startCable, withoutSettings } from '../../testing/cable.ts'
import { connect } from '../../testing/client.ts'
import { findAnycable } from './servers.ts'

const PROGRAM = findAnycable()
const FLAGS = ['--noauth', '--sse', '--path=/a,/b', '--secret=s', '--turbo_streams', '--broadcast_adapter=http']
const MORE = [
  '--presets=broker',
  '--metrics_http=/m',
  '--metrics_tags=env:production',
  '--allowed_origins=a.test,*.b.test',
]

/** Resolves with the file that AnyCable prints for the flags. */
async function print(t: TestContext, flags: readonly string[]): Promise<string> {
  const [front, back] = await freePorts(2)
  const folder = mkdtempSync(join(tmpdir(), 'anycable-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // The program prints the file, runs the command `true`, and ends when that ends.
  const child = spawn(PROGRAM!, ['true'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...withoutSettings('ANYCABLE_', 'THRUSTER_'),
      ANYCABLE_DISABLE_TELEMETRY: 'true',
      ANYCABLE_OPT: [...flags, '--print-config'].join(' '),
      ANYCABLE_PORT: String(back),
      HTTP_PORT: String(front),
      STORAGE_PATH: folder,
    },
  })
  const lines = (await text(child.stdout)).split('\n')
  return lines.filter(line => !line.startsWith('{"time"')).join('\n')
}

test('a file that AnyCable prints starts this cable', {
  skip: PROGRAM === undefined && 'AnyCable is not installed',
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'anycable.toml')
  const printed = await print(t, [...FLAGS, ...MORE])
  assert.match(printed, /^broadcast_adapters = \["http"\]$/m)
  writeFileSync(file, printed)

  const ports = ['--http_broadcast_port=0', '--metrics_port=0']
  const cable = await startCable([`--config-path=${file}`, ...ports])
  t.after(() => cable.stop())

  assert.equal(new URL(cable.url).pathname, '/a')
  const client = await connect(t, cable.url.replace(/a$/, 'b'), { headers: { origin: 'https://x.b.test' } })
  await client.welcomed()
  const events = await fetch(`${cable.url.replace('ws', 'http').replace(/a$/, 'events')}?stream=x`)
  assert.equal(events.status, 400, 'server-sent events are on')
  await events.body?.cancel()
  const strange = await fetch(cable.broadcast, { method: 'POST', body: '{}' })
  assert.equal(strange.status, 401, 'broadcasts need the key of the secret')
})

test('AnyCable and this cable print RPC with the same keys', {
  skip: PROGRAM === undefined && 'AnyCable is not installed',
}, async t => {
  const flags = [
    ...['--rpc_host=http://app.test/_anycable', '--rpc_impl=http', '--headers=cookie,origin', '--proxy-cookies=a,b'],
    ...['--rpc_concurrency=5', '--rpc_enable_tls', '--http_rpc_secret=key', '--rpc_request_timeout=9'],
    ...['--rpc_command_timeout=10', '--rpc_max_call_recv_size=7', '--rpc_max_call_send_size=8', '--disconnect_rate=7'],
  ]
  const linesOf = (printed: string) =>
    [...printed.matchAll(/^\[(rpc|disconnector)\]\n((?:.+\n)*)/gm)].flatMap(([, table, lines]) =>
      [...lines!.matchAll(/^(\w+) = (.+)$/gm)].map(([, key, value]) => [`${table}.${key}`, value!]),
    )
  const theirs = new Map(linesOf(await print(t, flags)) as [string, string][])
  const child = spawn(process.execPath, ['server/main.ts', '--print-config', ...flags], { stdio: 'pipe' })
  const ours = linesOf(await text(child.stdout))

  assert.equal(ours.length, flags.length)
  // (A list is one text here.)
  const plain = (value: string | undefined) => value?.replaceAll(/[[\]" ]/g, '')
  for (const [key, value] of ours) assert.equal(plain(theirs.get(key!)), plain(value), key)
})
