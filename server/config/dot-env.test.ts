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
