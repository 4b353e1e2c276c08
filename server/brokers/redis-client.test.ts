/** Connections to Redis, over everything that --redis_url and its neighbours can say. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { certificate } from '../../testing/certificate.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { connectRedis, RedisAway, type RedisServer } from './redis-client.ts'

const at = (url: string, more: Partial<RedisServer> = {}): RedisServer => ({
  url,
  sentinels: [],
  tls: { rejectUnauthorized: true },
  ...more,
})

async function connected(t: TestContext, server: RedisServer) {
  const connection = await connectRedis(server, 'hotcable-test')
  t.after(() => connection.end())
  return connection
}

/** The message of the failure, which must hold no password. */
async function away(server: RedisServer): Promise<string> {
  const error = await connectRedis(server, 'hotcable-test').then(
    ({ end }) => end(),
    error => error,
  )
  assert.ok(error instanceof RedisAway)
  assert.doesNotMatch(error.message, /canary/)
  return error.message
}

test('a URL gives the user, the password and the database', { skip: NO_REDIS }, async t => {
  const { port } = await startRedis(t, { config: ['user ada on >canary/1 ~* &* +@all'] })
  const url = (password: string) => `redis://ada:${password}@127.0.0.1:${port}/3`
  const { client } = await connected(t, at(url('canary%2F1')))

  assert.equal(await client.sendCommand(['ACL', 'WHOAMI']), 'ada')
  assert.match(await client.sendCommand(['CLIENT', 'INFO']), / name=hotcable-test .* db=3 /)
  assert.match(await away(at(url('canary%2F2'))), /^127\.0\.0\.1:\d+: WRONGPASS/)
})

test('a server that is not there is named, with the reason', async () => {
  assert.match(await away(at('redis://canary@127.0.0.1:1')), /^127\.0\.0\.1:1: connect ECONNREFUSED/)
})

test('TLS takes a CA and a certificate of the client, and refuses a CA that it does not know', {
  skip: NO_REDIS,
}, async t => {
  const [cert, key] = certificate(t)
  const [ca, ownKey] = [readFileSync(cert, 'utf8'), readFileSync(key, 'utf8')]
  const { url } = await startRedis(t, { tls: { cert, key, clients: 'certified' } })
  const { client } = await connected(t, at(url, { tls: { ca, cert: ca, key: ownKey, rejectUnauthorized: true } }))

  assert.equal(await client.ping(), 'PONG')
  assert.match(await away(at(url)), /self.signed certificate/)
  assert.match(await away(at(url, { tls: { ca, rejectUnauthorized: true } })), /certificate/)
})

test('a certificate need not be valid if the operator says so', { skip: NO_REDIS }, async t => {
  const [cert, key] = certificate(t)
  const { url } = await startRedis(t, { tls: { cert, key, clients: 'anonymous' } })
  const { client } = await connected(t, at(url, { tls: { rejectUnauthorized: false } }))

  assert.equal(await client.ping(), 'PONG')
})

test('Sentinels, with a password, over TLS, name the master, which has another password', {
  skip: NO_REDIS,
}, async t => {
  const [cert, key] = certificate(t)
  const tls = { ca: readFileSync(cert, 'utf8'), rejectUnauthorized: true }
  const master = await startRedis(t, { config: ['requirepass canary-master'] })
  const sentinel = await startRedis(t, {
    program: 'redis-sentinel',
    tls: { cert, key, clients: 'anonymous' },
    config: [
      'requirepass canary-sentinel',
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      'sentinel auth-pass mymaster canary-master',
    ],
  })
  const sentinels = ['redis://127.0.0.1:1', sentinel.url.replace('//', '//:canary-sentinel@')]
  const { client } = await connected(t, at('redis://:canary-master@mymaster/2', { sentinels, tls }))

  assert.match(await client.sendCommand(['CLIENT', 'INFO']), new RegExp(` laddr=127.0.0.1:${master.port} .* db=2 `))
  assert.match(await away(at('redis://other', { sentinels, tls })), /does not know the master other/)
})

test('a master that has become a replica is away', { skip: NO_REDIS }, async t => {
  const master = await startRedis(t)
  const config = [`sentinel monitor mymaster 127.0.0.1 ${master.port} 1`]
  const sentinel = await startRedis(t, { program: 'redis-sentinel', config })
  await master.cli('REPLICAOF', '127.0.0.1', '1')

  assert.match(await away(at('redis://mymaster', { sentinels: [sentinel.url] })), /a master that is not one: slave/)
})

test('when Redis ends, so does the connection, and its commands fail at once', { skip: NO_REDIS }, async t => {
  const redis = await startRedis(t)
  const { client, ended } = await connected(t, at(redis.url))
  const waiting = client.sendCommand(['BLPOP', 'nothing', '0'])
  waiting.catch(() => {})
  await redis.kill()

  assert.match((await ended).message, /^127\.0\.0\.1:\d+: (Socket closed unexpectedly|read ECONNRESET)/)
  await assert.rejects(waiting)
  await assert.rejects(client.ping())
})

test('a connection ends if Redis freezes, and none comes about', { skip: NO_REDIS }, async t => {
  const redis = await startRedis(t)
  const { ended } = await connected(t, at(redis.url))
  redis.signal('SIGSTOP')

  assert.match((await ended).message, /no answer for 6 s/)
  assert.match(await away(at(redis.url)), /no answer within 5 s/)
})
