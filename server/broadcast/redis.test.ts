/** Broadcasts from a real Redis: by Pub/Sub (redis) and by a stream (redisx), with everything that may happen to it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { certificate } from '../../testing/certificate.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { listening, message, redisCable, says, send } from '../test/redis-cable.ts'
import { counted, METRICS, refused, token, turbo } from '../test/test-cable.ts'
import { startNodes } from '../test/two-nodes.ts'

const skip = { skip: NO_REDIS }

for (const adapter of ['redis', 'redisx'] as const) {
  test(`a broadcast by ${adapter} reaches the page and the history, in order with others`, skip, async t => {
    const redis = await startRedis(t)
    const { cable, client } = await listening(t, adapter, redis)
    await send[adapter](redis, message('one'))
    await send[adapter](redis, `[${message('two')},${message('three')}]`)
    await send[adapter](redis, message('four'))

    for (const expected of ['one', 'two', 'three', 'four']) assert.equal((await client.next()).message, expected)
    assert.equal(await counted(cable, 'redis_msg_total'), 3)
    assert.equal(((await cable.stats()) as unknown as { history: { offset: number } }).history.offset, 4)
  })

  test(`${adapter} takes a disconnect`, skip, async t => {
    const redis = await startRedis(t)
    const cable = await redisCable(t, adapter, redis.url)
    await says(cable, /^200 ready$/)
    const client = await cable.welcomed({ query: `?jid=${token({ ext: 'ada' })}` })
    await send[adapter](redis, JSON.stringify({ command: 'disconnect', payload: { identifier: 'ada' } }))

    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'remote', reconnect: false })
  })

  test(
    `a message by ${adapter} that is malformed or too large is counted, and does not delay the next`,
    skip,
    async t => {
      const redis = await startRedis(t)
      const { cable, client } = await listening(t, adapter, redis, { flags: ['--max_broadcast_size=1000'] })
      await send[adapter](redis, '{"stream":"a"')
      await send[adapter](redis, message('x'.repeat(1000)))
      await send[adapter](redis, message('fine'))

      assert.equal((await client.next()).message, 'fine')
      assert.equal(await counted(cable, 'redis_refused_msg_total'), 2)
      assert.equal(await refused(cable, 'publication_malformed'), 1)
      assert.equal(await refused(cable, 'too_large'), 1)
      assert.match(cable.lines.join(''), /a broadcast from Redis is refused: .* code=publication_malformed/)
    },
  )

  test(`${adapter} over TLS with a password, which is nowhere in the log`, skip, async t => {
    const [cert, key] = certificate(t)
    const redis = await startRedis(t, {
      tls: { cert, key, clients: 'certified' },
      config: ['user ada on >canary-1 ~* &* +@all'],
      cliOptions: ['--user', 'ada', '--pass', 'canary-1', '--no-auth-warning'],
    })
    const flags = [`--redis_tls_ca_cert_path=${cert}`, `--redis_tls_client_cert_path=${cert}`]
    const url = redis.url.replace('//', '//ada:canary-1@')
    const { client } = await listening(t, adapter, { url }, { flags: [...flags, `--redis_tls_client_key_path=${key}`] })
    await send[adapter](redis, message('one'))

    assert.equal((await client.next()).message, 'one')
  })

  test(`/ready and the log say why ${adapter} does not work, and the cable takes broadcasts by HTTP`, skip, async t => {
    const redis = await startRedis(t, { config: ['requirepass canary'] })
    const cable = await redisCable(t, adapter, redis.url.replace('//', '//:canary-wrong@'))
    await says(cable, /^503 Redis (channel|stream) __anycable__ is away$/)
    const client = await cable.welcomed()
    await client.confirmed(turbo('a'))
    await cable.broadcast('a', 'by HTTP')

    assert.equal((await client.next()).message, 'by HTTP')
    assert.match(cable.lines.join(''), /WRN Redis \w+ __anycable__ is away: 127\.0\.0\.1:\d+: WRONGPASS/)
  })

  test(`after Redis was killed and started again, pages refresh and ${adapter} goes on`, skip, async t => {
    const redis = await startRedis(t)
    const { cable, client } = await listening(t, adapter, redis)
    await send[adapter](redis, message('before'))
    assert.equal((await client.next()).message, 'before')
    await redis.kill()
    await says(cable, /^503 .* is away$/)
    await redis.start()
    await send[adapter](redis, message('sent before the cable was back'))
    await says(cable, /^200 ready$/)
    await send[adapter](redis, message('after'))

    const frames = (await client.until(frame => frame.message === 'after')).map(frame => frame.message)
    assert.ok(
      frames.some(frame => /action="refresh"/.test(String(frame))),
      JSON.stringify(frames),
    )
  })

  test(`a connection that freezes is given up, and ${adapter} goes on over another one`, skip, async t => {
    const redis = await startRedis(t)
    const proxy = await createProxy(redis.port)
    t.after(() => proxy.close())
    const { cable, client } = await listening(t, adapter, { url: `redis://127.0.0.1:${proxy.port}` })
    proxy.freeze()
    await says(cable, /^503 .* is away$/)
    proxy.drop()
    proxy.pass()
    await says(cable, /^200 ready$/)
    await send[adapter](redis, message('after'))

    await client.until(frame => frame.message === 'after')
  })
}

test('without http among the ways in a POST is refused, with a reason', skip, async t => {
  const redis = await startRedis(t)
  const flags = ['--broadcast_adapter=redis', '--broadcast_key=none', '--host=0.0.0.0', '--http_broadcast_port=0']
  const cable = await redisCable(t, 'redis', redis.url, { flags })
  const answer = await cable.post(message('one'))

  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /add http to --broadcast_adapter/)
})

for (const adapter of ['redis', 'redisx'] as const) {
  test(`with --broker=redis a broadcast by ${adapter} reaches the clients of both cables once`, skip, async t => {
    const redis = await startRedis(t)
    const options = { flags: ['--broker=redis'] }
    const clients = [
      (await listening(t, adapter, redis, options)).client,
      (await listening(t, adapter, redis, options)).client,
    ]
    for (const text of ['one', 'two', 'three']) {
      await send[adapter](redis, message(text))
      for (const client of clients) assert.equal((await client.next()).message, text)
    }
  })

  test(`of two cables that share a broker one reads by ${adapter}, and both admit clients`, skip, async t => {
    const redis = await startRedis(t)
    const flags = ['--noauth', METRICS, `--broadcast_adapter=http,${adapter}`, `--redis_url=${redis.url}`]
    const nodes = await startNodes(t, 1, flags)
    const clients = await Promise.all(
      nodes.map(async ({ cable }) => {
        await says(cable, /^200 ready$/)
        const client = await cable.welcomed()
        await client.confirmed(turbo('a'))
        return client
      }),
    )
    const both = async (text: string) => {
      await send[adapter](redis, message(text))
      for (const client of clients) await client.until(frame => frame.message === text)
    }
    await both('one')
    await both('two')
    // The frames in between are refreshes: messages would come twice right after each other.
    for (const client of clients) assert.deepEqual(await client.answers(), [])
    const [first, second] = nodes
    const [reader, other] = (await counted(first.cable, 'redis_msg_total')) > 0 ? [first, second] : [second, first]
    assert.equal(await counted(other.cable, 'redis_msg_total'), 0)
    await reader.cable.close()
    while (!other.cable.lines.some(line => / is connected$/m.test(line))) await setImmediate()
    await send[adapter](redis, message('three'))

    await clients[nodes.indexOf(other)]!.until(frame => frame.message === 'three')
  })
}

test('docs/redis.md grants a user of Redis the rights that the cable needs', skip, async t => {
  const page = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8')
  const rights = [...page.matchAll(/`([~&].*?)`/g)].map(([, text]) => text)
  for (const [at, adapter] of (['redis', 'redisx'] as const).entries()) {
    const redis = await startRedis(t, { config: [`user ada on >canary-1 resetchannels ${rights[at]}`] })
    const { client } = await listening(t, adapter, { url: redis.url.replace('//', '//ada:canary-1@') })
    await send[adapter](redis, '{')
    await send[adapter](redis, message('one'))

    assert.equal((await client.next()).message, 'one')
  }
})
