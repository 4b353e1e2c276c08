import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tokenVerifier } from '../server/auth/identity.ts'
import { folder, hotcable } from './testing.ts'

const ENV = { ANYCABLE_SECRET: 'canary' }
const now = () => Math.floor(Date.now() / 1000)
const read = (token: string, secret = 'canary') => tokenVerifier([secret])(token.trim(), now())

test('token prints a token of a user that the cable accepts for an hour', async () => {
  const before = now()

  const { code, stdout, stderr } = await hotcable(['token', 'ada'], { env: ENV })

  assert.deepEqual([code, stderr], [0, ''])
  const { identity, expires } = read(stdout)
  assert.equal(identity, '{"user":"ada"}')
  assert.ok(expires! >= before + 3600 && expires! <= now() + 3600)
})

test('token takes the identity as JSON, and a time', async () => {
  const before = now()

  const { stdout } = await hotcable(['token', '--ext={"b":1,"a":true}', '--ttl=2d'], { env: ENV })

  const { identity, expires } = read(stdout)
  assert.equal(identity, '{"b":1,"a":true}')
  assert.ok(expires! >= before + 2 * 86_400)
})

for (const [about, env] of [
  ['the secret of tokens', { ANYCABLE_SECRET: 'other', ANYCABLE_JWT_SECRET: 'canary' }],
  ['its older name', { ANYCABLE_SECRET: 'other', ANYCABLE_JWT_ID_KEY: 'canary' }],
] as const) {
  test(`token signs with ${about} before the common secret`, async () => {
    const { stdout } = await hotcable(['token', 'ada'], { env })

    assert.equal(read(stdout).identity, '{"user":"ada"}')
  })
}

test('token without a secret fails, and says how to get one', async () => {
  const { code, stdout, stderr } = await hotcable(['token', 'ada'])

  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(stderr, 'hotcable: no secret for tokens: set ANYCABLE_SECRET (hotcable secret >> .env)\n')
})

test('token takes the secret from .env', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), 'ANYCABLE_SECRET=canary\n')

  assert.equal(read((await hotcable(['token', 'ada'], { cwd })).stdout).identity, '{"user":"ada"}')
})

test('token takes the secret from anycable.toml, as the cable of that folder does', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, 'anycable.toml'), 'secret = "other"\n[jwt]\nsecret = "canary"\n')

  assert.equal(read((await hotcable(['token', 'ada'], { cwd })).stdout).identity, '{"user":"ada"}')
})

test('token says that an identity provider signs the tokens', async () => {
  const env = { ...ENV, HOTCABLE_JWKS_URL: 'https://idp.example/keys', HOTCABLE_JWT_ISSUER: 'https://idp.example' }

  const { code, stdout, stderr } = await hotcable(['token', 'ada'], { env })

  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^hotcable: the cable reads the tokens of an identity provider/)
})

test('token reports the mistakes of an environment in which no cable would start', async () => {
  const { code, stderr } = await hotcable(['token', 'ada'], { env: { ...ENV, HOTCABLE_HEAAL: 'on' } })

  assert.equal(code, 1)
  assert.match(stderr, /^hotcable: HOTCABLE_HEAAL is not a variable/)
})

for (const [args, says] of [
  [[], /needs a user, or --ext/],
  [['ada', 'bob'], /needs a user, or --ext/],
  [['ada', '--ext={}'], /needs a user, or --ext/],
  [['ada', '--ttl=soon'], /needs --ttl as a time: 90s/],
  [['ada', '--ttl=0'], /needs --ttl as a time/],
  [['--ext=ada'], /needs --ext as a JSON object/],
  [['--ext=[1]'], /needs --ext as a JSON object/],
  [['ada', '--secret=canary'], /cannot read its arguments: .*--secret/],
] as const) {
  test(`token refuses ${JSON.stringify(args)}`, async () => {
    const { code, stdout, stderr } = await hotcable(['token', ...args], { env: ENV })

    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^hotcable token /)
    assert.match(stderr, says)
    assert.doesNotMatch(stderr, /canary/)
  })
}
