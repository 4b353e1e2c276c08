/** Broadcasts over HTTP: their keys, their statuses, and which are refused. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { CLOSED, KEYS, OPEN, OWN_PORT, PUBLIC } from '../flags.ts'
import { derived, pubsub, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

const keys: Scenario[] = (
  [
    ['the derived key', CLOSED, `Bearer ${derived('broadcast-cable')}`, 201],
    ['no key', CLOSED, undefined, 401],
    ['the secret itself', CLOSED, 'Bearer canary-conformance', 401],
    ['a key that is too long', CLOSED, `Bearer ${derived('broadcast-cable')}0`, 401],
    ['a key that is too short', CLOSED, `Bearer ${derived('broadcast-cable').slice(1)}`, 401],
    ['the key without Bearer', CLOSED, derived('broadcast-cable'), 401],
    ['the key after Basic', CLOSED, `Basic ${derived('broadcast-cable')}`, 401],
    ['the key of the API', CLOSED, `Bearer ${derived('api-cable')}`, 401],
    ['the key of broadcasts', KEYS, 'Bearer of-broadcasts', 201],
    ['the derived key where broadcasts have their own key', KEYS, `Bearer ${derived('broadcast-cable')}`, 401],
    ['no key where the cable asks for none', PUBLIC, undefined, 201],
    ['any key where the cable asks for none', PUBLIC, 'Bearer whatever', 201],
  ] as [string, readonly string[], string | undefined, number][]
).map(([about, flags, authorization, status]) => ({
  title: `the cable answers a broadcast with ${status}: ${about}`,
  flags,
  async run(world) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    assert.equal((await world.post({ stream: 'a', data: '1' }, { headers })).status, status)
  },
}))

const malformed: Scenario[] = (
  [
    ['nothing', ''],
    ['text that is not JSON', 'hello'],
    ['JSON that is cut short', '{"stream":"a"'],
    ['null', 'null'],
    ['a number', '1'],
    ['an empty list', '[]'],
    ['an empty object', '{}'],
    ['no stream', '{"data":"1"}'],
    ['an empty stream', '{"stream":"","data":"1"}'],
    ['a stream that is a number', '{"stream":1,"data":"1"}'],
    ['data that is an object', '{"stream":"a","data":{}}'],
    ['data that is a number', '{"stream":"a","data":1}'],
    ['a meta that is text', '{"stream":"a","data":"1","meta":"x"}'],
    ['an id that is empty', '{"stream":"a","data":"1","meta":{"id":""}}'],
    ['an id that is a number', '{"stream":"a","data":"1","meta":{"id":1}}'],
    ['an id of 65 letters', `{"stream":"a","data":"1","meta":{"id":"${'x'.repeat(65)}"}}`],
    ['a key that is empty', '{"stream":"a","data":"1","meta":{"key":""}}'],
    ['a key that is a list', '{"stream":"a","data":"1","meta":{"key":["a"]}}'],
    ['a key of 65 letters', `{"stream":"a","data":"1","meta":{"key":"${'x'.repeat(65)}"}}`],
    ['a key of HTML that appends', '{"stream":"a","data":"<turbo-stream action=append>","meta":{"key":"k"}}'],
    ['an unknown command', '{"command":"fly","payload":{}}'],
    ['a disconnect without a payload', '{"command":"disconnect"}'],
    ['a disconnect without an identity', '{"command":"disconnect","payload":{}}'],
    ['a list of commands', '[{"command":"disconnect","payload":{"identifier":"x"}}]'],
  ] as [string, string][]
).map(([about, body]) => ({
  title: `the cable refuses a malformed broadcast with 422 and a reason: ${about}`,
  flags: OPEN,
  async run(world) {
    const answer = await world.post(body)
    assert.equal(answer.status, 422)
    const { error, message } = (await answer.json()) as { error: string; message: string }
    assert.equal(error, 'publication_malformed')
    assert.ok(message.length > 5)
  },
  differs: {
    anycable: 'answers 201',
    why: 'bug: a broadcast that no client gets is the hardest thing to debug',
    async run(world) {
      assert.equal((await world.post(body)).status, 201)
    },
  },
}))

const broadcasts: Scenario[] = [
  {
    title: 'the cable answers a broadcast with 201 and no body, whatever its content type',
    flags: OPEN,
    async run(world) {
      for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
        const headers = { authorization: `Bearer ${world.broadcastKey}`, 'content-type': type }
        const answer = await world.post({ stream: 'a', data: '1' }, { headers })
        assert.deepEqual([answer.status, await answer.text()], [201, ''])
      }
    },
  },
  {
    title: 'the cable answers another method with 422, with the key and without',
    flags: CLOSED,
    async run(world) {
      for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS'])
        for (const authorization of ['', `Bearer ${world.broadcastKey}`])
          assert.equal(
            (await fetch(world.server.broadcast, { method, headers: { authorization } })).status,
            422,
            method,
          )
    },
  },
  {
    title: 'the cable answers other paths with 404',
    flags: OPEN,
    async run(world) {
      const { origin } = new URL(world.server.broadcast)
      for (const path of ['/_broadcasts', '/_broadcast/', '/_BROADCAST', '/broadcast']) {
        const { status } = await world.post({ stream: 'a', data: '1' }, {}, origin + path)
        assert.equal(status, 404, path)
      }
    },
  },
  {
    title: 'with a key, broadcasts come in on the clients’ port',
    flags: CLOSED,
    absent: "the gem's clients have a separate port",
    async run(world) {
      assert.equal(new URL(world.server.broadcast).port, new URL(world.server.http).port)
    },
  },
  {
    title: 'without a key, broadcasts have a separate port, and the clients’ port does not take them',
    flags: OWN_PORT,
    absent: "the gem's clients have a separate port",
    async run(world) {
      assert.equal((await world.post({ stream: 'a', data: '1' }, { headers: {} })).status, 201)
      const { status } = await world.post({ stream: 'a', data: '1' }, {}, `${world.server.http}/_broadcast`)
      assert.equal(status, 404)
    },
  },
  {
    title: 'without a key, a web page may not broadcast, and a backend may',
    flags: OWN_PORT,
    async run(world) {
      const headers = { origin: 'https://evil.test', 'content-type': 'text/plain' }
      assert.equal((await world.post({ stream: 'a', data: '1' }, { headers })).status, 403)
      assert.equal((await world.post({ stream: 'a', data: '1' }, { headers: {} })).status, 201)
    },
    differs: {
      anycable: 'lets any page that a developer visits broadcast to localhost',
      why: 'hole: pages show broadcasts as HTML',
      async run(world) {
        const headers = { origin: 'https://evil.test', 'content-type': 'text/plain' }
        assert.equal((await world.post({ stream: 'a', data: '1' }, { headers })).status, 201)
      },
    },
  },
  {
    title: 'the cable refuses a whole batch for one bad entry',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      for (const bad of [null, 1, {}, { stream, data: {} }, { stream: 7, data: '1' }])
        assert.equal((await world.post([{ stream, data: '1' }, bad, { stream, data: '2' }])).status, 422)
      assert.deepEqual(await world.everything(client, stream), [])
    },
    differs: {
      anycable: 'applies the valid entries, or fails on a null',
      why: 'bug: a backend expects all of a batch or none',
    },
  },
  {
    title: 'an optional field of a publication may be null',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      for (const meta of [null, { exclude_socket: null, broadcast_type: null, transient: null, key: null }])
        assert.equal((await world.post({ stream, data: '1', meta, command: null, payload: null })).status, 201)
      assert.deepEqual([(await client.next()).message, (await client.next()).message], [1, 1])
    },
  },
  {
    title: 'an empty list counts as an absent meta',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      assert.equal((await world.post({ stream, data: '1', meta: [] })).status, 201)
      assert.equal((await client.next()).message, 1)
    },
    differs: {
      anycable: 'answers 201 and delivers nothing',
      why: 'choice: PHP writes an empty array so',
      async run(world) {
        const stream = world.stream()
        const client = await world.listening(turbo(stream))
        assert.equal((await world.post({ stream, data: '1', meta: [] })).status, 201)
        assert.deepEqual(await world.everything(client, stream), [])
      },
    },
  },
  {
    title: 'the cable answers a body over --max_broadcast_size with 413',
    flags: OPEN,
    async run(world) {
      assert.equal((await large(world)).status, 413)
    },
    differs: {
      anycable: 'takes any size',
      why: 'hole: memory is finite',
      async run(world) {
        assert.equal((await large(world)).status, 201)
      },
    },
  },
  {
    title: 'the cable accepts the next broadcast on the connection of a refused one',
    flags: OPEN,
    absent: 'it refuses no body',
    async run(world) {
      assert.equal((await large(world)).connection, 'close')
    },
  },
  {
    title: 'the cable refuses a body that is not UTF-8',
    flags: OPEN,
    async run(world) {
      assert.equal((await world.post(Buffer.from('{"stream":"a","data":"\xff"}', 'latin1'))).status, 422)
    },
    differs: {
      anycable: 'reads bad bytes as U+FFFD',
      why: 'bug: no backend means to send such bytes',
      async run(world) {
        assert.equal((await world.post(Buffer.from('{"stream":"a","data":"\xff"}', 'latin1'))).status, 201)
      },
    },
  },
  {
    title: 'the cable publishes the broadcasts of many backends at once, each once',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      await Promise.all(Array.from({ length: 40 }, (_, i) => world.broadcast(stream, i)))
      const heard = (await world.everything(client, stream)) as { message: number }[]
      assert.deepEqual(
        heard.map(({ message }) => message).sort((a, b) => a - b),
        Array.from({ length: 40 }, (_, i) => i),
      )
    },
  },
]

/** Posts more than the cable accepts, on a new connection. */
async function large(world: World): Promise<{ status: number; connection: string | undefined }> {
  const sent = request(world.server.broadcast, {
    method: 'POST',
    agent: new Agent({ keepAlive: true }),
    headers: { authorization: `Bearer ${world.broadcastKey}` },
  })
  sent.on('error', () => {}) // the cable refuses it before all of it is sent
  sent.end(JSON.stringify({ stream: 'a', data: 'x'.repeat(2 ** 20) }))
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  sent.destroy()
  return { status: answer.statusCode!, connection: answer.headers.connection }
}

export const publishing: Scenario[] = [...keys, ...malformed, ...broadcasts]
