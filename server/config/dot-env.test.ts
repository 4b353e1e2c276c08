import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { withDotEnv } from './dot-env.ts'

function folder(t: TestContext, text?: string): string {
  const path = mkdtempSync(join(tmpdir(), 'hotcable-env-'))
  t.after(() => rmSync(path, { recursive: true }))
  if (text !== undefined) writeFileSync(join(path, '.env'), text)
  return path
}

test('the cable takes only its own variables from .env, and the environment wins', t => {
  const text = `
# of the app
PORT=3000
HOST=example.com
FLY_APP_NAME=x
export ANYCABLE_SECRET="canary # 1" # a comment
ANYCABLE_HOST=::1
HOTCABLE_DEV=true
ANYCABLE_PORT=1`

  const { env, names } = withDotEnv({ HOME: '/', ANYCABLE_HOST: '', ANYCABLE_PORT: '2' }, folder(t, text))

  assert.deepEqual(env, {
    HOME: '/',
    ANYCABLE_HOST: '',
    ANYCABLE_PORT: '2',
    ANYCABLE_SECRET: 'canary # 1',
    HOTCABLE_DEV: 'true',
  })
  assert.deepEqual(names, ['ANYCABLE_SECRET', 'HOTCABLE_DEV'])
})

test('blanks, a byte order mark and line breaks of Windows change no value', t => {
  const text = '\uFEFFANYCABLE_HOST=::1\r\n\texport \tANYCABLE_PORT = 81 \t\r\nANYCABLE_SECRET=  \nPASSWORD=canary\n'

  const { env } = withDotEnv({}, folder(t, text))

  assert.deepEqual(env, { ANYCABLE_HOST: '::1', ANYCABLE_PORT: '81', ANYCABLE_SECRET: '' })
})

test('a # in a value without quotes is an error, because programs disagree on it', t => {
  const said = '.env: ANYCABLE_SECRET has a # in its value, where some programs cut it off: choose a value without it'
  for (const line of ['ANYCABLE_SECRET=canary#1', ' export ANYCABLE_SECRET = canary a#1 # b', 'ANYCABLE_SECRET=a"b#c"'])
    assert.throws(() => withDotEnv({}, folder(t, `A=1\n${line}\nB=2\n`)), { message: said }, line)

  const harmless =
    'ANYCABLE_SECRET="a#1"\nANYCABLE_JWT_SECRET=b # c#d\nPASSWORD=a#b\n#ANYCABLE_PORT=1#2\nANYCABLE_PORT=1#2'
  const { env } = withDotEnv({ ANYCABLE_PORT: '3' }, folder(t, harmless))
  assert.deepEqual(env, { ANYCABLE_PORT: '3', ANYCABLE_SECRET: 'a#1', ANYCABLE_JWT_SECRET: 'b' })
})

test('a folder without .env, or with a folder of that name, changes nothing', t => {
  const python = folder(t)
  mkdirSync(join(python, '.env'))

  for (const path of [folder(t), python])
    assert.deepEqual(withDotEnv({ HOME: '/' }, path), { env: { HOME: '/' }, names: [] })
})

test('an .env that cannot be read is an error in one line', t => {
  const path = folder(t)
  symlinkSync('.env', join(path, '.env'))

  assert.throws(() => withDotEnv({}, path), { message: '.env cannot be read: ELOOP' })
})
