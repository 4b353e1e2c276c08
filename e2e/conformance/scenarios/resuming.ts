/** Resuming: a client of the extended protocol gets its lost session back, once, and only its own. */
import assert from 'node:assert/strict'
import { BASE, type Client, type ConnectOptions, EXTENDED, type Frame } from '../../../testing/client.ts'
import { BOUNDED, CLOSED, NO_BROKER, NO_RESUME, OPEN } from '../flags.ts'
import { jwt, pubsub, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

const EXT = { protocols: [EXTENDED] }
const as = (identity: string): ConnectOptions => ({ ...EXT, query: `?jid=${jwt({ ext: identity })}` })
const back = (sid: string, { query = '?', ...options }: ConnectOptions = EXT): ConnectOptions => ({
  ...options,
  query: `${query}&sid=${sid}`,
})

/** Subscribes, receives one broadcast, and loses its connection. */
async function lost(world: World, options: ConnectOptions = EXT, make = turbo) {
  const stream = world.stream()
  const identifier = make(stream)
  const client = await world.welcomed(options)
  await client.confirmed(identifier)
  await world.broadcast(stream, 'seen')
  const { epoch, offset } = await client.next()
  await client.drop()
  return { client, sid: client.sid, stream, identifier, streams: { [stream]: { epoch, offset } } }
}

const plain = async (client: Client): Promise<Frame> => {
  const welcome = await client.next()
  assert.deepEqual(Object.keys(welcome), ['type', 'sid'])
  return welcome
}

export const resuming: Scenario[] = [
  {
    title: 'a client resumes its lost session: its subscriptions, and the messages that it missed',
    flags: OPEN,
    async run(world) {
      const { sid, stream, identifier, streams } = await lost(world)
      await world.broadcast(stream, 'missed')
      const client = await world.connect(back(sid))
      const welcome = await client.next()
      assert.deepEqual(welcome, { type: 'welcome', sid: welcome.sid, restored: true, restored_ids: [identifier] })
      assert.notEqual(welcome.sid, sid)
      client.command('history', identifier, { history: { since: 1, streams } })
      const frames = await client.history()
      assert.deepEqual([frames[0]!.message, frames[1]], ['missed', { type: 'confirm_history', identifier }])
      await world.broadcast(stream, 'live')
      assert.equal((await client.next()).message, 'live')
    },
  },
  {
    title: 'the keys of a restored welcome are in the order of the reference',
    flags: OPEN,
    async run(world) {
      const { sid, identifier } = await lost(world)
      const text = await (await world.connect(back(sid))).text()
      assert.ok(text.endsWith(`","restored":true,"restored_ids":[${JSON.stringify(identifier)}]}`), text)
    },
  },
  {
    title: 'a session without subscriptions resumes with an empty list',
    flags: OPEN,
    async run(world) {
      const welcome = await empty(world)
      assert.deepEqual(welcome, { type: 'welcome', sid: welcome.sid, restored: true, restored_ids: [] })
    },
    differs: {
      anycable: 'leaves out the list',
      why: 'bug: its client then takes all its subscriptions for restored',
      async run(world) {
        const welcome = await empty(world)
        assert.deepEqual(welcome, { type: 'welcome', sid: welcome.sid, restored: true })
      },
    },
  },
  {
    title:
      'a client that subscribes to a restored subscription, because the first confirmation was lost, is confirmed once',
    flags: OPEN,
    async run(world) {
      const { sid, identifier } = await lost(world)
      const client = await world.connect(back(sid))
      await client.next()
      for (let i = 0; i < 2; i++) client.command('subscribe', identifier)
      assert.deepEqual(
        (await client.answers()).map(({ type }) => type),
        ['confirm_subscription'],
      )
    },
    differs: { anycable: 'does not answer', why: 'bug: the client gives the subscription up' },
  },
  {
    title: 'the cable restores the subscriptions that were left and entered again, and none that were only left',
    flags: OPEN,
    async run(world) {
      const first = await world.welcomed(EXT)
      const [gone, kept] = [turbo(world.stream()), turbo(world.stream())]
      for (const identifier of [gone, kept]) await first.confirmed(identifier)
      first.command('unsubscribe', gone)
      await first.answers()
      await first.drop()
      const client = await world.connect(back(first.sid))
      assert.deepEqual((await client.next()).restored_ids, [kept])
      await client.confirmed(gone)
    },
  },
  {
    title: 'a client may name its session in a header, which counts more than the query',
    flags: OPEN,
    async run(world) {
      const { sid, identifier } = await lost(world)
      const client = await world.connect({ ...back('nobody'), headers: { 'x-anycable-restore-sid': sid } })
      assert.deepEqual((await client.next()).restored_ids, [identifier])
    },
  },
  {
    title: 'a client can also resume a session that it closed properly',
    flags: OPEN,
    async run(world) {
      const first = await world.welcomed(EXT)
      await first.confirmed(turbo('a'))
      first.ws.close(1000)
      await first.closed
      assert.equal((await (await world.connect(back(first.sid))).next()).restored, true)
    },
  },
  ...(
    [
      ['an unknown sid', OPEN, () => back('nobody')],
      ['an empty sid', OPEN, () => back('')],
      ['a sid, on the base protocol', OPEN, sid => back(sid, { protocols: [BASE] })],
      ['a sid, with --sessions_ttl=0', NO_RESUME, sid => back(sid)],
      ['a sid, with --broker=none', NO_BROKER, sid => back(sid)],
    ] as [string, readonly string[], (sid: string) => ConnectOptions][]
  ).map(
    ([about, flags, options]): Scenario => ({
      title: `the client resumes nothing and starts anew: ${about}`,
      flags,
      async run(world) {
        const { sid, identifier } = await lost(world, EXT, pubsub)
        const client = await world.connect(options(sid))
        await plain(client)
        await client.confirmed(identifier)
      },
    }),
  ),
  {
    title: 'a client can resume twice in a row, each time with its newest sid',
    flags: OPEN,
    async run(world) {
      const { sid, identifier } = await lost(world)
      const second = await world.connect(back(sid))
      const welcome = await second.next()
      await second.drop()
      assert.deepEqual((await (await world.connect(back(welcome.sid!))).next()).restored_ids, [identifier])
    },
  },
  {
    title: 'a sid restores its session only once',
    flags: OPEN,
    async run(world) {
      const { sid } = await lost(world)
      assert.equal((await (await world.connect(back(sid))).next()).restored, true)
      await plain(await world.connect(back(sid)))
    },
    differs: {
      anycable: 'restores it as often as it is asked',
      why: 'hole: a reader of a log can listen with a sid that it finds there',
      async run(world) {
        const { sid } = await lost(world)
        for (let i = 0; i < 2; i++) assert.equal((await (await world.connect(back(sid))).next()).restored, true)
      },
    },
  },
  ...(
    [
      ['no token', EXT],
      ['an expired token', { ...EXT, query: `?jid=${jwt({ ext: 'ada', exp: 1_000_000_000 })}` }],
      ['a forged token', { ...EXT, query: `?jid=${jwt({ ext: 'ada' }, { secret: 'another' })}` }],
    ] as [string, ConnectOptions][]
  ).map(
    ([about, options]): Scenario => ({
      title: `the cable refuses a sid without a good token: ${about}`,
      flags: CLOSED,
      async run(world) {
        const { sid } = await lost(world, as('ada'), pubsub)
        assert.equal((await (await world.connect(back(sid, options))).next()).type, 'disconnect')
      },
      differs: {
        anycable: 'resumes without looking at the token',
        why: 'hole: a locked-out client stays in, and a sid from a log opens a session',
        async run(world) {
          const { sid } = await lost(world, as('ada'), pubsub)
          assert.equal((await (await world.connect(back(sid, options))).next()).restored, true)
        },
      },
    }),
  ),
  {
    title: 'another identity does not get the session, and starts a new one',
    flags: CLOSED,
    async run(world) {
      const { sid } = await lost(world, as('ada'), pubsub)
      await plain(await world.connect(back(sid, as('bob'))))
      assert.equal((await (await world.connect(back(sid, as('ada')))).next()).restored, true)
    },
    differs: {
      anycable: 'hands the session of one user to another',
      why: 'hole: a sid is in URLs and logs',
      async run(world) {
        const { sid, identifier } = await lost(world, as('ada'), pubsub)
        assert.deepEqual((await (await world.connect(back(sid, as('bob')))).next()).restored_ids, [identifier])
      },
    },
  },
  {
    title: 'a client cannot resume a session that a backend disconnected',
    flags: CLOSED,
    async run(world) {
      const { client, identity } = await dismissed(world)
      await client.closed
      await plain(await world.connect(back(client.sid, as(identity))))
    },
    differs: {
      anycable: 'resumes it',
      why: 'hole: a remote disconnect must last',
      async run(world) {
        const { client, identity } = await dismissed(world)
        await client.closed
        assert.equal((await (await world.connect(back(client.sid, as(identity)))).next()).restored, true)
      },
    },
  },
  {
    title: 'a client gets what it missed in a restored subscription, even without asking for its history',
    flags: OPEN,
    alone: true,
    async run(world) {
      const { sid, stream } = await lost(world)
      await world.untilZero('clients_num')
      await world.broadcast(stream, 'missed')
      const client = await world.connect(back(sid))
      // Messages after its last command may come twice; those that it missed come.
      await client.until(({ message }) => message === 'missed')
    },
    differs: { anycable: 'does not', why: 'extension: never silently stale' },
  },
  {
    title: 'lost sessions are bounded in bytes: the oldest gives way, and its client subscribes again',
    flags: BOUNDED,
    inMemory: 'Redis has a bound for all of its data',
    alone: true,
    async run(world) {
      const long = (stream: string) => pubsub(stream, { x: 'x'.repeat(3000) })
      const first = await lost(world, EXT, long)
      let last = first
      while ((await world.gauge('lost_sessions_evicted_total')) === 0) last = await lost(world, EXT, long)
      await plain(await world.connect(back(first.sid)))
      assert.equal((await (await world.connect(back(last.sid))).next()).restored, true)
    },
    differs: {
      anycable: 'keeps all for --sessions_ttl, however large',
      why: 'extension: --max_lost_sessions_size, or a few hundred clients could fill the memory',
    },
  },
]

/** The welcome of a resumed session that had no subscriptions. */
async function empty(world: World): Promise<Frame> {
  const first = await world.welcomed(EXT)
  await first.drop()
  return await (await world.connect(back(first.sid))).next()
}

async function dismissed(world: World) {
  const identity = world.stream('user')
  const client = await world.welcomed(as(identity))
  await client.confirmed(pubsub('a'))
  await world.post({ command: 'disconnect', payload: { identifier: identity, reconnect: true } })
  return { client, identity }
}
