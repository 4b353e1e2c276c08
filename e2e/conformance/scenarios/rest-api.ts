/** The REST API for backends: its key, its routes and their statuses. */
import assert from 'node:assert/strict'
import { KEYS, NO_BROKER, OPEN } from '../flags.ts'
import { derived, jwt, pubsub, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

const api = (world: World, path: string, init: RequestInit = {}, key = derived('api-cable')) =>
  fetch(`${world.server.http}/api/${path}`, { headers: { authorization: `Bearer ${key}` }, ...init })

const json = async (answer: Promise<Response>): Promise<unknown> => (await answer).json()

const rest: readonly Scenario[] = [
  {
    title: 'the API refuses every key but its own',
    flags: OPEN,
    async run(world) {
      for (const key of ['', 'canary-conformance', derived('broadcast-cable')])
        for (const path of ['publish', 'streams', 'stats', 'presence/a/users', 'disconnect'])
          assert.equal((await api(world, path, {}, key)).status, 401, path)
    },
  },
  {
    title: 'with --api_secret the API accepts that key alone',
    flags: KEYS,
    async run(world) {
      assert.equal((await api(world, 'stats', {}, 'of-the-api')).status, 200)
      assert.equal((await api(world, 'stats')).status, 401)
    },
  },
  {
    title: 'a backend can broadcast through the API',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      const publish = (body: unknown) => api(world, 'publish', { method: 'POST', body: JSON.stringify(body) })
      assert.equal((await publish({ stream, data: '"x"' })).status, 201)
      assert.equal((await publish([{ stream, data: '"y"' }])).status, 201)
      assert.equal((await publish({ stream })).status, 422)
      assert.deepEqual([(await client.next()).message, (await client.next()).message], ['x', 'y'])
    },
  },
  {
    title: 'the API lists the members of a stream, whatever its name',
    flags: OPEN,
    async run(world) {
      for (const name of ['chat', 'chat/é 🦄', '?a=b&c', '100%']) {
        const stream = world.stream(name)
        const client = await world.listening(pubsub(stream))
        client.command('join', pubsub(stream), { presence: { id: 'ada', info: { a: 1 } } })
        await client.next()
        const path = `presence/${encodeURIComponent(stream)}/users`
        assert.deepEqual(await json(api(world, path)), {
          type: 'info',
          total: 1,
          records: [{ id: 'ada', info: { a: 1 } }],
        })
      }
    },
  },
  {
    title: 'without a broker the API answers a request for presence with 501',
    flags: NO_BROKER,
    async run(world) {
      assert.equal((await api(world, 'presence/a/users')).status, 501)
    },
  },
  {
    title: 'the API counts the subscriptions of each stream, and the sessions',
    flags: OPEN,
    ofOneNode: 'each node counts its clients',
    async run(world) {
      const stream = world.stream()
      for (const client of [await world.listening(turbo(stream)), await world.listening(turbo(stream))])
        await world.everything(client, stream)
      const { streams } = (await json(api(world, 'streams'))) as {
        streams: { stream: string; subscriptions: number }[]
      }
      assert.deepEqual(
        streams.filter(entry => entry.stream === stream),
        [{ stream, subscriptions: 2 }],
      )
      assert.ok(((await json(api(world, 'stats'))) as { sessions: number }).sessions >= 2)
    },
  },
  {
    title: 'the API disconnects an identity, or one session of it',
    flags: OPEN,
    inMemory: 'nodes that share Redis do not tell each other how many sessions they end',
    async run(world) {
      const identifier = world.stream('user')
      const query = `?jid=${jwt({ ext: identifier })}`
      const [one, two] = [await world.welcomed({ query }), await world.welcomed({ query })]
      const other = await world.welcomed()
      const disconnect = (body: object) =>
        json(api(world, 'disconnect', { method: 'POST', body: JSON.stringify(body) }))
      assert.deepEqual(await disconnect({ identifier }), { disconnected: 2 })
      for (const client of [one, two]) assert.equal((await client.next()).reconnect, false)
      assert.deepEqual(await disconnect({ sid: other.sid, reconnect: true }), { disconnected: 1 })
      assert.deepEqual(await other.next(), { type: 'disconnect', reason: 'remote', reconnect: true })
      assert.deepEqual(await disconnect({ identifier: 'nobody' }), { disconnected: 0 })
    },
  },
  {
    title: 'the API answers an unknown path with 404, and another method with 422',
    flags: OPEN,
    async run(world) {
      for (const path of ['', 'nonsense', 'presence', 'presence/a', 'streams/a'])
        assert.equal((await api(world, path)).status, 404, path)
      assert.equal((await api(world, 'publish')).status, 422)
      assert.equal((await api(world, 'stats', { method: 'POST' })).status, 422)
    },
  },
]

export const restApi: Scenario[] = rest.map(scenario => ({
  ...scenario,
  absent: "the gem's AnyCable serves no REST API",
}))
