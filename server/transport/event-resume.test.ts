/**
 * A client of server-sent events that reconnects: it gets the messages that it missed, or learns that some may be missing.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Events, events } from '../test/event-reader.ts'
import { sign, startCable, type TestCable } from '../test/test-cable.ts'

const FLAGS = ['--noauth', '--sse', '--public_streams', '--history_limit=3']
const pubsub = (stream_name: string) => JSON.stringify({ channel: '$pubsub', stream_name })

interface Ask {
  query: string
  body?: string
}

const FORMS: [form: string, ask: (stream: string) => Ask][] = [
  ['identifier=', stream => ({ query: `?${new URLSearchParams({ identifier: pubsub(stream) })}` })],
  ['stream=', stream => ({ query: `?${new URLSearchParams({ stream })}` })],
  ['signed_stream=', stream => ({ query: `?${new URLSearchParams({ signed_stream: sign(stream) })}` })],
  [
    'turbo_signed_stream_name=',
    stream => ({ query: `?${new URLSearchParams({ turbo_signed_stream_name: sign(stream) })}` }),
  ],
  ['POST', stream => ({ query: '', body: `${JSON.stringify({ identifier: pubsub(stream) })}\n` })],
]

/** Subscribes, and returns the events after the confirmation, and the identifier that was confirmed. */
async function subscribe(t: TestContext, cable: TestCable, { query, body }: Ask, lastEventId = '') {
  const method = body === undefined ? 'GET' : 'POST'
  const source = await events(t, cable, query, { method, ...(body === undefined ? {} : { body }), lastEventId })
  assert.equal(source.response.status, 200)
  assert.equal((await source.next())?.event, 'welcome')
  const { identifier } = JSON.parse((await source.next())!.data!)
  return { source, identifier }
}

/** The message of the next event. */
async function message({ next }: Events): Promise<unknown> {
  const { event, data = '' } = (await next())!
  assert.equal(event, undefined, data)
  return data.startsWith('{"identifier"') ? JSON.parse(data).message : data
}

for (const [form, ask] of FORMS) {
  for (const stream of ['board/1/a', 'é %41\n']) {
    test(`${form}: a client that reconnects gets the messages that it missed of ${JSON.stringify(stream)}, under the same identifier`, async t => {
      const cable = await startCable(t, FLAGS)
      const first = await subscribe(t, cable, ask(stream))
      await cable.broadcast(stream, 'seen')
      assert.equal(await message(first.source), 'seen')
      first.source.abort()
      for (const missed of ['one', 'two']) await cable.broadcast(stream, missed)

      const second = await subscribe(t, cable, ask(stream), first.source.lastEventId)

      assert.equal(second.identifier, first.identifier)
      assert.deepEqual([await message(second.source), await message(second.source)], ['one', 'two'])
      assert.equal((await second.source.next())?.event, 'confirm_history')
      await cable.broadcast(stream, 'live')
      assert.equal(await message(second.source), 'live')
    })
  }

  test(`${form}: a client that lost its connection before its first message misses nothing either`, async t => {
    const cable = await startCable(t, FLAGS)
    const first = await subscribe(t, cable, ask('s'))
    while (first.source.lastEventId === '') await Promise.race([first.source.next(), cable.broadcast('other', 'x')])
    first.source.abort()
    await cable.broadcast('s', 'missed')

    const second = await subscribe(t, cable, ask('s'), first.source.lastEventId)

    assert.equal(await message(second.source), 'missed')
  })

  for (const [about, alter] of [
    ['too old', id => id],
    ['of another epoch', id => id.replace(/\/[^/]+/, '/another')],
    ['of the future', id => id.replace(/\d+/, '999999')],
    ['of another stream', id => `${id}2`],
    ['malformed', () => 'nonsense'],
    ['without a stream', id => id.replace(/\/s$/, '')],
    ['without an offset', id => id.replace(/\d+/, 'x')],
  ] as [string, (id: string) => string][]) {
    for (const raw of [false, true]) {
      test(`${form}: an id that is ${about} is a gap, ${raw ? 'for a raw client as well' : 'and the client learns of it'}`, async t => {
        const cable = await startCable(t, FLAGS)
        const first = await subscribe(t, cable, ask('s'))
        await cable.broadcast('s', 'seen')
        await message(first.source)
        for (const missed of ['1', '2', '3', '4']) await cable.broadcast('s', missed)
        const { query, body } = ask('s')
        const { next } = await events(t, cable, `${query}${query === '' ? '?' : '&'}raw=${raw ? 1 : 0}`, {
          ...(body === undefined ? {} : { method: 'POST', body }),
          lastEventId: alter(first.source.lastEventId),
        })
        if (!raw) for (const event of ['welcome', 'confirm_subscription']) assert.equal((await next())?.event, event)

        assert.equal((await next())?.event, 'reject_history')
        if (form.startsWith('turbo')) assert.match((await next())?.data ?? '', /action="refresh"/)
        await cable.broadcast('s', 'live')
        assert.match((await next())?.data ?? '', /live/)
      })
    }
  }
}

test('a channel without a stream gets no id', async t => {
  const cable = await startCable(t, FLAGS)

  assert.equal((await events(t, cable, '?channel=$pubsub', { lastEventId: '1/e/s' })).response.status, 400)
})

test('of several subscriptions, the id resumes its stream; the others start at their position, or have a gap', async t => {
  const cable = await startCable(t, FLAGS)
  const start = await cable.position()
  const [offset, epoch] = start.split(/[/-]/)
  for (const stream of ['a', 'b', 'c']) await cable.broadcast(stream, stream)
  const streams = { b: { offset: Number(offset), epoch } }
  const lines = [
    { identifier: pubsub('a') },
    { identifier: pubsub('b'), history: { streams } },
    { identifier: pubsub('c') },
  ]
  const body = lines.map(line => `${JSON.stringify(line)}\n`).join('')

  const { next } = await events(t, cable, '', { method: 'POST', body, lastEventId: `${start}/a` })

  const told = []
  for (let i = 0; i < 9; i++) told.push(await next())
  assert.deepEqual(
    told.slice(1).map(event => [event?.event ?? 'message', JSON.parse(event!.data!).identifier]),
    [
      ['confirm_subscription', pubsub('a')],
      ['message', pubsub('a')],
      ['confirm_history', pubsub('a')],
      ['confirm_subscription', pubsub('b')],
      ['message', pubsub('b')],
      ['confirm_history', pubsub('b')],
      ['confirm_subscription', pubsub('c')],
      ['reject_history', pubsub('c')],
    ],
  )
})

test('a client of several streams reconnects with one id, and gets what it missed of all of them', async t => {
  const cable = await startCable(t, FLAGS)
  const query = `?${['a', 'b', 'c'].map(stream => `turbo_signed_stream_name=${encodeURIComponent(sign(stream))}`).join('&')}`
  const first = await events(t, cable, query)
  for (const stream of ['a', 'b']) await cable.broadcast(stream, `seen of ${stream}`)
  assert.deepEqual(await until(first, 'seen of b'), ['seen of a', 'seen of b'])
  first.abort()
  for (const stream of ['c', 'a']) await cable.broadcast(stream, `missed of ${stream}`)

  const second = await events(t, cable, query, { lastEventId: first.lastEventId })

  await cable.broadcast('b', 'live')
  const replays = ['missed of a', 'confirm_history', 'confirm_history', 'missed of c', 'confirm_history']
  assert.deepEqual(await until(second, 'live'), [...replays, 'live'])
})

test('a client of several streams that is cut off between their replays still gets the second one', async t => {
  const cable = await startCable(t, FLAGS)
  const position = await cable.position()
  const query = `?stream=a&stream=b&position=${position}`
  for (const stream of ['b', 'a']) await cable.broadcast(stream, `missed of ${stream}`)
  const first = await events(t, cable, query)
  assert.equal((await first.next())?.event, 'welcome')
  assert.equal((await first.next())?.event, 'confirm_subscription')
  assert.equal(await message(first), 'missed of a')
  first.abort()
  assert.equal(first.lastEventId, '') // The message of `b` has a smaller offset.

  const second = await events(t, cable, query, { lastEventId: first.lastEventId })

  await cable.broadcast('b', 'live')
  const told = (await until(second, 'live')).filter(what => /of|live/.test(what))
  assert.deepEqual(told, ['missed of a', 'missed of b', 'live'])
  assert.match(second.lastEventId, /^\d+\/\w+\/b$/)
})

test('a client of several streams that was connected, and sends a malformed id, has a gap on each', async t => {
  const cable = await startCable(t, FLAGS)

  const { next } = await events(t, cable, '?stream=a&stream=b', { lastEventId: 'nonsense' })

  const told = []
  for (let i = 0; i < 5; i++) told.push((await next())?.event)
  assert.deepEqual(told, [
    'welcome',
    ...['confirm_subscription', 'reject_history'],
    ...['confirm_subscription', 'reject_history'],
  ])
})

/** The messages, and the names of other events but confirmations, up to a message. */
async function until(source: Events, last: string): Promise<string[]> {
  const told: string[] = []
  while (told.at(-1) !== last) {
    const { event, data = '' } = (await source.next())!
    if (event !== 'confirm_subscription' && event !== 'welcome') told.push(event ?? data)
  }
  return told
}

for (const [form, ask] of FORMS.slice(0, -1)) {
  test(`${form}: the page's position is not part of the identifier, and counts where the id does not`, async t => {
    const cable = await startCable(t, FLAGS)
    const position = await cable.position()
    await cable.broadcast('s', 'one')
    const { query } = ask('s')
    const page = { query: `${query}&position=${encodeURIComponent(position)}&history_since=1` }

    const without = await subscribe(t, cable, ask('s'))
    const first = await subscribe(t, cable, page)
    assert.equal(first.identifier, without.identifier)
    assert.equal(await message(first.source), 'one')
    assert.equal((await first.source.next())?.event, 'confirm_history')
    await cable.broadcast('s', 'two')
    assert.equal(await message(first.source), 'two')

    // The browser's last event outranks the page's position, unless its id is of another stream.
    const { lastEventId } = first.source
    await cable.broadcast('s', 'three')
    for (const [id, expected] of [
      [lastEventId, ['three']],
      ['nonsense', ['one', 'two', 'three']],
      [`${lastEventId}2`, ['one', 'two', 'three']],
    ] as const) {
      const { source, identifier } = await subscribe(t, cable, page, id)
      assert.equal(identifier, without.identifier)
      for (const text of expected) assert.equal(await message(source), text)
      assert.equal((await source.next())?.event, 'confirm_history')
    }
  })

  test(`${form}: a page without a known position has a gap, even if it asks for history since a time`, async t => {
    const cable = await startCable(t, FLAGS)
    await cable.broadcast('s', 'one')
    const { source } = await subscribe(t, cable, { query: `${ask('s').query}&position=-&history_since=1` })

    assert.equal((await source.next())?.event, 'reject_history')
  })
}

test('a client that loses its connection after a gap, before it has healed, gets the same gap again', async t => {
  const cable = await startCable(t, [...FLAGS, '--heal=off'])
  const { source } = await subscribe(t, cable, FORMS[3]![1]('s'), '1/gone/s')
  assert.equal((await source.next())?.event, 'reject_history')

  await cable.broadcast('s', 'without a place', { transient: true })
  assert.equal(await message(source), 'without a place')
  assert.equal(source.lastEventId, '1/gone/s')

  await cable.broadcast('s', 'with one')
  assert.equal(await message(source), 'with one')
  assert.notEqual(source.lastEventId, '1/gone/s')
})

test('without a history a client that reconnects has a gap', async t => {
  const cable = await startCable(t, [...FLAGS, '--broker=none'])
  const first = await subscribe(t, cable, FORMS[1]![1]('s'))
  await cable.broadcast('s', 'x')
  assert.equal(await message(first.source), 'x')
  assert.equal(first.source.lastEventId, '')

  const { source } = await subscribe(t, cable, FORMS[1]![1]('s'), '1/e/s')
  assert.equal((await source.next())?.event, 'reject_history')
})

test('replays never make a client of events too slow, however much they send while it does not read', async t => {
  const metrics = '--metrics_http=/metrics'
  const cable = await startCable(t, [...FLAGS, '--ws_max_pending_size=400000', metrics])
  const streams = Array.from({ length: 20 }, (_, i) => `s/${i}`)
  for (const stream of streams) await cable.broadcast(stream, 'x'.repeat(350_000))
  const body = streams
    .map(stream => `${JSON.stringify({ identifier: pubsub(stream), history: { since: 1 } })}\n`)
    .join('')

  const source = await events(t, cable, '', { method: 'POST', body })
  while (
    !/pending_bytes [1-9]/.test(await (await fetch(cable.url.cable.replace(/ws(.*)cable/, 'http$1metrics'))).text())
  );

  const sizes: number[] = []
  while (sizes.length < streams.length) {
    const { message } = JSON.parse((await source.next())!.data ?? '{}')
    if (typeof message === 'string') sizes.push(message.length)
  }
  assert.deepEqual(new Set(sizes), new Set([350_000]))
})
