/** Pings, and the ways in which the cable ends a session. */
import assert from 'node:assert/strict'
import { type ConnectOptions, EXTENDED } from '../../../testing/client.ts'
import { DEV, OPEN, OPEN_DEV, PONGS, SMALL } from '../flags.ts'
import { encode } from '../raw.ts'
import { pubsub, sign, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

async function pings(world: World, options: ConnectOptions, count = 2): Promise<number[]> {
  const client = await world.welcomed({ ...options, pings: true })
  const texts = []
  for (let i = 0; i < count; i++) texts.push(await client.text())
  return texts.map(text => {
    const [, digits] = /^\{"type":"ping","message":(\d+)\}$/.exec(text) ?? []
    assert.ok(digits, text)
    return Number(digits)
  })
}

const about = (actual: number, wanted: number) => assert.ok(Math.abs(actual - wanted) < wanted * 1e-6, `${actual}`)

export const living: Scenario[] = [
  {
    title: 'the cable sends pings unasked, with growing whole seconds',
    flags: SMALL,
    async run(world) {
      const [one, two] = await pings(world, {})
      about(one!, Date.now() / 1000)
      assert.ok(two! > one!)
    },
  },
  ...(
    [
      ['?pi=1 asks for one every second', '?pi=1', 1],
      ['of a repeated parameter the last counts', '?pi=60&pi=1', 1],
      ['?ptp=ms asks for milliseconds', '?pi=1&ptp=ms', 1e3],
      ['?ptp=ns asks for nanoseconds', '?pi=1&ptp=ns', 1e9],
      ['an unknown ?ptp= means seconds', '?pi=1&ptp=h', 1],
    ] as [string, string, number][]
  ).map(
    ([title, query, unit]): Scenario => ({
      title: `a client may choose its pings: ${title}`,
      flags: OPEN,
      async run(world) {
        const [one, two] = await pings(world, { query })
        about(one!, (Date.now() / 1000) * unit)
        assert.ok(two! > one!)
      },
    }),
  ),
  {
    title: 'the cable ignores a ?pi= that is not a number',
    flags: SMALL,
    async run(world) {
      await Promise.all(['?pi=soon', '?pi=', '?pi=1.5'].map(query => pings(world, { query }, 1)))
    },
  },
  {
    title: 'a client may choose to get no pings',
    flags: SMALL,
    async run(world) {
      const quiet = await Promise.all(['?pi=0', '?pi=-1'].map(query => world.welcomed({ query, pings: true })))
      await pings(world, {}, 3)
      for (const client of quiet) assert.deepEqual(await client.answers(), [])
    },
  },
  {
    title: 'the cable answers a ping with a pong, and a pong with nothing',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.send({ command: 'pong' }, { command: 'ping' }, { command: 'ping', identifier: 'x', data: 1 })
      assert.deepEqual([await client.text(), await client.text()], ['{"type":"pong"}', '{"type":"pong"}'])
      client.send({ command: 'pong' })
      assert.deepEqual(await client.answers(), [])
    },
  },
  {
    title: 'an optional field of a command may be null',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      const [stream, absent] = [pubsub(world.stream()), { data: null, history: null, presence: null }]
      client.send(
        { command: 'ping', identifier: null, ...absent },
        { command: 'subscribe', identifier: stream, ...absent },
      )
      const answers = [await client.next(), await client.next(), ...(await client.answers())]
      assert.deepEqual(answers, [{ type: 'pong' }, { type: 'confirm_subscription', identifier: stream }])
    },
  },
  {
    title: 'with --pong_timeout a silent extended client gets no_pong, and is closed with 1000',
    flags: PONGS,
    async run(world) {
      const client = await world.welcomed({ protocols: [EXTENDED] })
      assert.equal(await client.text(), '{"type":"disconnect","reason":"no_pong","reconnect":true}')
      assert.deepEqual(await client.closed, { code: 1000, text: 'No Pong' })
    },
  },
  {
    title: 'with --pong_timeout a client that answers stays, and so does a client of the base protocol',
    flags: PONGS,
    async run(world) {
      const [answering, base] = [
        await world.welcomed({ protocols: [EXTENDED], pings: true }),
        await world.welcomed({ pings: true }),
      ]
      for (let i = 0; i < 4; i++) {
        assert.equal((await answering.next()).type, 'ping')
        answering.send({ command: 'pong' })
      }
      await answering.answers()
      for (let i = 0; i < 3; i++) assert.equal((await base.next()).type, 'ping')
    },
  },
  {
    title: 'a stop tells every client to come back, closes with 1001, ends events, and exits with 0',
    flags: OPEN,
    alone: true,
    absent: "the gem's proxy ends without a disconnect message",
    async run(world) {
      const [base, extended] = [await world.welcomed(), await world.welcomed({ protocols: [EXTENDED] })]
      const events = await world.events({ signed_stream: sign('a') })
      await events.next()
      await events.next()
      const exit = world.server.stop()
      for (const client of [base, extended]) {
        assert.equal(await client.text(), '{"type":"disconnect","reason":"server_restart","reconnect":true}')
        assert.deepEqual(await client.closed, { code: 1001, text: 'Server restart' })
      }
      const last = (await events.next())!
      assert.deepEqual(
        [last.event, JSON.parse(last.data).reason, last.retry],
        ['disconnect', 'server_restart', undefined],
      )
      assert.equal(await events.next(), undefined)
      assert.equal(await exit, 0)
    },
  },
  {
    title: 'a client that does not read gets too_slow and is cut, and others do not wait for it',
    flags: OPEN,
    ofOneNode: 'the front of several nodes reads on, for a client that does not',
    alone: true,
    absent: 'its write deadline may come first, and then there is nothing to read',
    async run(world) {
      const stream = world.stream()
      const reading = await world.listening(pubsub(stream))
      const { raw } = await world.raw()
      await raw.text()
      raw.write(encode(JSON.stringify({ command: 'subscribe', identifier: turbo(stream) })))
      await raw.text()
      raw.socket.pause()
      // Read on only after the cut: the cable waits two seconds for a reader to take the rest.
      let sent = 0
      while ((await world.gauge('disconnected_slow_clients_total')) === 0) {
        await world.broadcast(stream, 'x'.repeat(500_000))
        await reading.next()
        assert.ok(++sent < 60, 'the cable never cuts it')
      }
      raw.socket.resume()
      let last: string | undefined
      for (let text = await raw.text(); text !== undefined; text = await raw.text()) last = text
      assert.equal(last, '{"type":"disconnect","reason":"too_slow","reconnect":true}')
    },
  },
  {
    title: 'clients that connect, subscribe and leave leave nothing behind',
    flags: OPEN,
    alone: true,
    absent: 'its gauges are refreshed every five seconds',
    async run(world) {
      for (let i = 0; i < 30; i++) {
        const client = await world.listening(pubsub(world.stream()), turbo(world.stream()))
        if (i % 2) client.ws.close()
        else client.ws.terminate()
        await client.closed
      }
      await world.untilZero('clients_num', 'broadcast_streams_num')
    },
  },
  {
    title: 'with --dev refusals say their code and what to do',
    flags: DEV,
    async run(world) {
      const { code, fix, ...frame } = await (await world.connect()).next()
      assert.deepEqual(frame, { type: 'disconnect', reason: 'unauthorized', reconnect: false })
      assert.equal(code, 'token_missing')
      assert.match(String(fix), /jid/)
    },
    differs: { anycable: 'has no such flag', why: 'extension: refusals say why' },
  },
  {
    title: 'with --dev every welcome says so, also that of a resumed session',
    flags: OPEN_DEV,
    async run(world) {
      const client = await world.connect({ protocols: [EXTENDED] })
      const { sid, ...welcome } = await client.next()
      assert.deepEqual(welcome, { type: 'welcome', dev: true })
      await client.drop()

      const again = await world.connect({ protocols: [EXTENDED], query: `?sid=${sid}` })
      const { sid: _, ...restored } = await again.next()
      assert.deepEqual(restored, { type: 'welcome', restored: true, restored_ids: [], dev: true })
    },
    differs: { anycable: 'has no such flag', why: 'extension: a page may name mistakes in its console' },
  },
]
