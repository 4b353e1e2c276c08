import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../server/config/read.ts'
import { turboAndEvents } from '../server/config/usual.ts'

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
