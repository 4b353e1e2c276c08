/** Where Redis is: every way to say it, and every mistake in words that repeat nothing of it. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { certificate } from '../../testing/certificate.ts'
import { ConfigInvalid, readConfig } from './read.ts'

const read = (...argv: string[]) => readConfig(['--noauth', ...argv], {})

function problems(...argv: string[]): readonly string[] {
  try {
    read(...argv)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigInvalid)
    assert.doesNotMatch(error.problems.join(), /canary/)
    return error.problems
  }
}

test('Redis is on this machine, unless a flag, ANYCABLE_REDIS_URL or REDIS_URL says otherwise', () => {
  const url = (argv: string[], env = {}) => readConfig(['--noauth', ...argv], env).redis.url

  assert.equal(url([]), 'redis://localhost:6379')
  assert.equal(url([], { REDIS_URL: 'redis://b/1' }), 'redis://b/1')
  assert.equal(url([], { REDIS_URL: 'redis://b/1', ANYCABLE_REDIS_URL: 'rediss://c' }), 'rediss://c')
  assert.equal(url(['--redis_url=d:7000'], { REDIS_URL: 'redis://b/1' }), 'redis://d:7000')
})

test('a Sentinel without a scheme has that of the master', () => {
  assert.deepEqual(read('--redis_url=rediss://main', '--redis_sentinels=a:26379, redis://:pw@b').redis.sentinels, [
    'rediss://a:26379',
    'redis://:pw@b',
  ])
})

for (const url of [
  'http://canary',
  'redis://',
  'redis://canary:x',
  'redis://canary/db',
  'redis://:canary%@host',
  'redis://canary:6379,redis://other:6379',
  'redis://canary,other',
]) {
  test(`a URL that is not one of a Redis is refused without repeating it: ${url}`, () => {
    assert.match(
      problems(`--redis_url=${url}`).join(),
      /^--redis_url must be one URL, redis:.*Cluster is not supported\)$/,
    )
    if (!url.includes(',')) assert.match(problems(`--redis_sentinels=a:1,${url}`).join(), /^--redis_sentinels must be /)
  })
}

test('the files for TLS are read and checked at the start', t => {
  const [cert, key] = certificate(t)
  const [other] = certificate(t)
  const broken = join(dirname(cert), 'canary.pem')
  writeFileSync(broken, 'canary')
  const client = [`--redis_tls_client_cert_path=${cert}`, `--redis_tls_client_key_path=${key}`]
  const pem = readFileSync(cert, 'utf8')

  assert.deepEqual(read(...client, `--redis_tls_ca_cert_path=${other}`, '--redis_tls_verify=false').redis.tls, {
    ca: readFileSync(other, 'utf8'),
    cert: pem,
    key: readFileSync(key, 'utf8'),
    rejectUnauthorized: false,
  })
  assert.match(problems(client[0]!).join(), /_cert_path and --redis_tls_client_key_path need each other/)
  assert.match(
    problems('--redis_tls_ca_cert_path=/canary').join(),
    /^--redis_tls_ca_cert_path cannot be read: the file does not/,
  )
  assert.match(
    problems(client[0]!, `--redis_tls_client_key_path=${broken}`).join(),
    /^OpenSSL refuses --redis_tls_client_cert_path with/,
  )
})

test('a setting of Redis that nothing uses is a warning', () => {
  const warned = (...argv: string[]) => read(...argv).warnings.join()
  const adapters = '--broadcast_adapter=http,redis,redisx'

  assert.match(warned('--redis_url=redis://h'), /^redis_url has no effect: .* --broadcast_adapter=http,redis/)
  assert.match(warned('--redis_channel=c'), /^redis_channel has no effect: it needs --broadcast_adapter=http,redis$/)
  assert.match(warned('--redisx_stream=s'), /^redisx_stream has no effect: it needs --broadcast_adapter=http,redisx$/)
  assert.match(warned('--redis_sentinels=s:1'), /^redis_sentinels has no effect: .* without --broker=redis, or /)
  assert.match(warned('--redis_prefix=p'), /^redis_prefix has no effect: .* without --broker=redis, or /)
  assert.equal(warned(adapters, '--redis_url=redis://h', '--redis_channel=c', '--redisx_group=g'), '')
  for (const used of [adapters, '--broker=redis'])
    assert.equal(warned(used, '--redis_sentinels=s:1', '--redis_prefix=p'), '')
  assert.match(warned(adapters, '--redis_url=rediss://h', '--redis_tls_verify=false'), /^redis_tls_verify is off/)
})
