import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readConfig } from '../server/config/read.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import { folder, hotcable } from './testing.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

const read = (...argv: string[]) => readConfig(argv, {}, turboAndEvents)

test('hotcable cable serves Turbo streams and server-sent events without a flag', () => {
  const { turbo, settings } = read('--secret=s')

  assert.deepEqual([turbo?.secrets, settings.sse], [['s'], true])
  assert.deepEqual(
    [readConfig(['--secret=s'], {}).turbo, readConfig(['--secret=s'], {}).settings.sse],
    [undefined, false],
  )
})

test('a flag or a variable switches Turbo streams and server-sent events off', () => {
  const { turbo, settings } = read('--secret=s', '--sse=false', '--turbo_streams=false')
  const env = { ANYCABLE_SECRET: 's', ANYCABLE_SSE: 'false', ANYCABLE_TURBO_STREAMS: 'false' }
  const byVariables = readConfig([], env, turboAndEvents)

  assert.deepEqual([turbo, settings.sse], [undefined, false])
  assert.deepEqual([byVariables.turbo, byVariables.settings.sse], [undefined, false])
})

test('without a secret Turbo streams stay off, and the cable starts', () => {
  assert.equal(read('--noauth').turbo, undefined)
  assert.equal(read('--noauth', '--streams_secret=none').turbo, undefined)
  assert.deepEqual(read('--noauth', '--streams_secret=s').turbo?.secrets, ['s'])
})

test('hotcable cable reads its settings from .env, says so, and leaves the PORT of the app alone', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), 'PORT=1\nANYCABLE_SECRET=canary\nANYCABLE_PORT=0\n')
  const child = spawn(process.execPath, [MAIN, 'cable', '--log_format=json'], {
    cwd,
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines: { msg: string; authorization?: string }[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(JSON.parse(line))
    if (lines.at(-1)!.msg.startsWith('backends broadcast')) break
  }

  assert.deepEqual(lines[0]!.msg, 'read from .env: ANYCABLE_PORT, ANYCABLE_SECRET')
  const [, port] = /^clients connect to ws:\/\/127\.0\.0\.1:(\d+)\/cable$/.exec(lines[1]!.msg)!
  assert.equal(lines[2]!.msg, `backends broadcast to http://127.0.0.1:${port}/_broadcast`)
  assert.equal(lines[2]!.authorization, 'required')
})

test('hotcable cable exits with one line if .env cannot be read', async t => {
  const cwd = folder(t)
  symlinkSync('.env', join(cwd, '.env'))

  assert.deepEqual(await hotcable(['cable'], { cwd }), {
    code: 1,
    stdout: '',
    stderr: 'cable: .env cannot be read: ELOOP\n',
  })
})
