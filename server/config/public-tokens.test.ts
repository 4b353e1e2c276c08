import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigInvalid, readConfig } from './read.ts'

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

const pemOf = ({ publicKey }: Pair): string => publicKey.export({ type: 'spki', format: 'pem' }).toString()

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const EC = pemOf(pair)
const EC_PRIVATE = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const RSA = pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))

const problems = (argv: readonly string[], env = {}): readonly string[] => {
  try {
    readConfig(argv, env)
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.problems
    throw error
  }
  return []
}

test('a public key is PEM, in a variable or in a file, and may be several', t => {
  const folder = mkdtempSync(join(tmpdir(), 'keys-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'public.pem')
  writeFileSync(file, EC + RSA)
  const keys = (argv: string[], env = {}) => {
    const given = readConfig(argv, env).publicTokens?.keys
    return typeof given === 'string' ? given : given?.map(key => key.asymmetricKeyType)
  }

  assert.deepEqual(keys([`--jwt_public_key=${EC}`]), ['ec'])
  assert.deepEqual(keys([], { HOTCABLE_JWT_PUBLIC_KEY: EC.trim().replaceAll('\n', '\\n') }), ['ec'])
  assert.deepEqual(keys([`--jwt_public_key=${file}`]), ['ec', 'rsa'])
  assert.equal(keys(['--jwks_url=https://idp.test/keys']), 'https://idp.test/keys')
  assert.equal(keys(['--secret=s']), undefined)
})

test('a key that could not verify a token is refused in a sentence that does not repeat it', () => {
  for (const [key, reason] of [
    [EC_PRIVATE, 'is a private key: give the cable the public key only'],
    [
      pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 })),
      'is an RSA key of less than 2048 bits: make a longer one',
    ],
    [pemOf(generateKeyPairSync('x25519')), 'must be an RSA, Ed25519, P-256, P-384 or P-521 key'],
    [
      pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
      'must be an RSA, Ed25519, P-256, P-384 or P-521 key',
    ],
    ['-----BEGIN PUBLIC KEY-----\nYQ==\n-----END PUBLIC KEY-----', 'must be a public key (PEM), or a file with one'],
    ['-----BEGIN PUBLIC KEY-----', 'must be a public key (PEM), or a file with one'],
    ['/nope/public.pem', 'is neither a public key (PEM) nor a file that can be read'],
  ])
    assert.deepEqual(problems([`--jwt_public_key=${key}`]), [`--jwt_public_key ${reason}`])
})

test('a cable reads tokens of one kind: with a public key it has no secret of tokens', () => {
  const { jwtSecrets, noauth } = readConfig(['--secret=s', '--rails_secret_key_base=b', `--jwt_public_key=${EC}`], {})

  assert.deepEqual([jwtSecrets, noauth], [[], false])
  for (const name of ['jwt_secret', 'jwt_id_key', 'jwt_previous_secrets'])
    assert.match(
      problems([`--${name}=canary`, '--jwks_url=https://idp.test/']).join(),
      new RegExp(`^--${name} is a secret of tokens, but .*: choose one$`),
    )
  assert.match(problems([`--jwt_public_key=${EC}`, '--jwks_url=https://idp.test/']).join(), /both set: choose one$/)
})

test('a claim of tokens is checked only with a public key, so without one it is a mistake', () => {
  for (const flag of ['--jwt_issuer=i', '--jwt_audience=a', '--jwt_identity_claim=sub'])
    assert.deepEqual(problems(['--secret=s', flag]), [
      `${flag.slice(0, flag.indexOf('='))} needs --jwt_public_key or --jwks_url`,
    ])
  const flags = ['--jwt_issuer=i', '--jwt_audience=a, b', '--jwt_identity_claim=sub', '--enforce_jwt']
  const { publicTokens, warnings } = readConfig(['--jwks_url=https://idp.test/keys', ...flags], {})
  assert.deepEqual(publicTokens, { keys: 'https://idp.test/keys', issuer: 'i', audiences: ['a', 'b'], claim: 'sub' })
  assert.deepEqual(warnings, [])
})

test('the cable warns about keys that come in the clear, and about tokens for other apps', () => {
  const warned = (url: string) => readConfig([`--jwks_url=${url}`, '--jwt_audience=a'], {}).warnings.join()

  assert.match(warned('http://idp.test/keys'), /^jwks_url is not https/)
  for (const url of ['https://idp.test/keys', 'http://localhost:1/keys', 'http://127.0.0.1/', 'http://[::1]/'])
    assert.equal(warned(url), '')
  assert.match(readConfig(['--jwks_url=https://idp.test/'], {}).warnings.join(), /^jwks_url without --jwt_audience/)
})
