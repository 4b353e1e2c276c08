/** Server-sent events: for pages without a cable client. */
import assert from 'node:assert/strict'
import type { EventClient, ServerEvent } from '../events.ts'
import { CLOSED, OPEN, ORIGINS, PUBLIC } from '../flags.ts'
import { jwt, now, pubsub, sign, turbo } from '../signing.ts'
import type { Scenario } from '../world.ts'

const SSE_CLOSED = [...CLOSED, '--sse', '--turbo_streams']
const SSE_PUBLIC = [...PUBLIC, '--sse']

const names = async (events: EventClient, count: number) => {
  const all: (string | undefined)[] = []
  for (let i = 0; i < count; i++) all.push((await events.next())?.event)
  return all
}
const data = async (events: EventClient): Promise<ServerEvent> => {
  for (;;) {
    const event = await events.next()
    assert.ok(event, 'the events ended')
    if (event.event === undefined) return event
  }
}

const scenarios: Scenario[] = [
  {
    title: 'a native stream source gets a welcome, a confirmation, and HTML unchanged',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const events = await world.events({ turbo_signed_stream_name: sign(stream) })
      assert.equal(events.response.status, 200)
      assert.match(events.response.headers.get('content-type')!, /^text\/event-stream/)
      assert.match(events.response.headers.get('cache-control')!, /no-/)
      assert.equal(events.response.headers.get('x-accel-buffering'), 'no')
      assert.deepEqual(await names(events, 2), ['welcome', 'confirm_subscription'])
      await world.broadcast(stream, '<turbo-stream action="refresh"></turbo-stream>')
      const event = await data(events)
      assert.equal(event.data, '<turbo-stream action="refresh"></turbo-stream>')
      assert.match(event.id!, new RegExp(`^\\d+/[\\w-]+/${stream}$`))
    },
  },
  ...(
    [
      ['signed_stream', stream => ({ signed_stream: sign(stream) })],
      ['turbo_signed_stream_name', stream => ({ turbo_signed_stream_name: sign(stream) })],
      ['identifier', stream => ({ identifier: pubsub(stream) })],
    ] as [string, (stream: string) => Record<string, string>][]
  ).map(
    ([about, query]): Scenario => ({
      title: `a client may ask for an event stream by ${about}`,
      flags: OPEN,
      async run(world) {
        const stream = world.stream()
        const events = await world.events(query(stream))
        assert.deepEqual(await names(events, 2), ['welcome', 'confirm_subscription'])
        await world.broadcast(stream, 'x')
        assert.equal((await data(events)).data, 'x')
      },
    }),
  ),
  {
    title: 'a client may ask for a public stream by its name',
    flags: SSE_PUBLIC,
    async run(world) {
      const stream = world.stream()
      const events = await world.events({ stream })
      await names(events, 2)
      await world.broadcast(stream, { a: 1 })
      assert.equal((await data(events)).data, '{"a":1}')
    },
  },
  {
    title: 'a message of several lines is one event',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const events = await world.events({ signed_stream: sign(stream) })
      await names(events, 2)
      await world.broadcast(stream, 'one\ntwo\r\nthree\rfour\n\nevent: fake\nid: 1/x/y')
      assert.deepEqual((await data(events)).data.split('\n'), [
        'one',
        'two',
        'three',
        'four',
        '',
        'event: fake',
        'id: 1/x/y',
      ])
      await world.broadcast(stream, 'next')
      assert.equal((await data(events)).data, 'next')
    },
  },
  {
    title: 'raw events carry only broadcasts',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const events = await world.events({ turbo_signed_stream_name: sign(stream), raw: '1' })
      await world.broadcast(stream, 'x')
      assert.equal((await events.next())!.data, 'x')
    },
  },
  {
    title: 'a browser that comes back with Last-Event-ID gets what it missed',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const query = { turbo_signed_stream_name: sign(stream) }
      const first = await world.events(query)
      await names(first, 2)
      await world.broadcast(stream, 'seen')
      const { id } = await data(first)
      first.close()
      await world.broadcast(stream, 'missed')
      const second = await world.events(query, { headers: { 'last-event-id': id! } })
      assert.equal((await data(second)).data, 'missed')
    },
  },
  {
    title: 'a client gets the history since a time',
    flags: OPEN,
    async run(world) {
      const since = now()
      const stream = world.stream()
      await world.broadcast(stream, 'before')
      const events = await world.events({ signed_stream: sign(stream), history_since: String(since) })
      assert.equal((await data(events)).data, 'before')
    },
  },
  {
    title: 'a client may POST several subscriptions, and then each event names its subscription',
    flags: OPEN,
    async run(world) {
      const [one, two] = [world.stream(), world.stream()]
      const body = [turbo(one), pubsub(two)]
        .map(identifier => JSON.stringify({ command: 'subscribe', identifier }))
        .join('\n')
      const events = await world.events({}, { method: 'POST', body })
      assert.deepEqual(await names(events, 3), ['welcome', 'confirm_subscription', 'confirm_subscription'])
      await world.broadcast(two, 'x')
      const { identifier, message } = JSON.parse((await data(events)).data)
      assert.deepEqual([identifier, message], [pubsub(two), 'x'])
    },
  },
  {
    title: 'a backend can leave a client of events out of a broadcast, and disconnect it',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const events = await world.events({ signed_stream: sign(stream), jid: jwt({ ext: stream }) })
      const { sid } = JSON.parse((await events.next())!.data)
      await events.next()
      await world.broadcast(stream, 'not for you', { exclude_socket: sid })
      await world.broadcast(stream, 'for you')
      assert.equal((await data(events)).data, 'for you')
      await world.post({ command: 'disconnect', payload: { identifier: stream } })
      const event = (await events.next())!
      assert.deepEqual([event.event, JSON.parse(event.data).reason], ['disconnect', 'remote'])
      assert.ok(Number(event.retry) > 1e9)
      assert.equal(await events.next(), undefined)
    },
  },
  ...(
    [
      ['no token', SSE_CLOSED, { signed_stream: sign('a') }, {}, 401],
      ['a bad token', SSE_CLOSED, { signed_stream: sign('a'), jid: 'x.y.z' }, {}, 401],
      ['an expired token', SSE_CLOSED, { signed_stream: sign('a'), jid: jwt({ ext: 'a', exp: 1 }) }, {}, 401],
      ['a token that is good', SSE_CLOSED, { signed_stream: sign('a'), jid: jwt({ ext: 'a' }) }, {}, 200],
      [
        'a token in a header',
        SSE_CLOSED,
        { signed_stream: sign('a') },
        { headers: { 'x-jid': jwt({ ext: 'a' }) } },
        200,
      ],
      ['no stream', OPEN, {}, {}, 400],
      ['a forged name', OPEN, { turbo_signed_stream_name: sign('a', 'another') }, {}, 400],
      ['an unsigned name', OPEN, { stream: 'a' }, {}, 400],
      ['an unknown channel', OPEN, { channel: 'ChatChannel' }, {}, 400],
      ['a POST of nonsense', OPEN, {}, { method: 'POST', body: 'nonsense' }, 400],
      ['another method', OPEN, { signed_stream: sign('a') }, { method: 'PUT' }, 405],
      [
        'an origin that is not allowed',
        ORIGINS,
        { signed_stream: sign('a') },
        { headers: { origin: 'https://evil.test' } },
        403,
      ],
      [
        'an origin that is allowed',
        ORIGINS,
        { signed_stream: sign('a') },
        { headers: { origin: 'https://app.test' } },
        200,
      ],
    ] as [string, readonly string[], Record<string, string>, RequestInit, number][]
  ).map(
    ([about, flags, query, init, status]): Scenario => ({
      title: `the cable answers a request for events with ${status}: ${about}`,
      flags,
      async run(world) {
        assert.equal((await world.events(query, init)).response.status, status)
      },
    }),
  ),
  {
    title: 'the cable serves events only with --sse',
    flags: CLOSED,
    async run(world) {
      assert.equal((await fetch(`${world.server.http}/events`)).status, 404)
    },
  },
]

export const streaming: Scenario[] = scenarios.map(scenario => ({
  ...scenario,
  absent: "the gem's AnyCable serves no events",
}))
