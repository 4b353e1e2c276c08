import assert from 'node:assert/strict'
import { get } from 'node:http'
import { test } from 'node:test'
import { events, eventsUrl } from '../test/event-reader.ts'
import { buffers, settled } from '../test/memory.ts'
import { sign, startCable, token } from '../test/test-cable.ts'

const board = (extra = '') => `?turbo_signed_stream_name=${encodeURIComponent(sign('board/1'))}${extra}`
const TURBO = ['--noauth', '--sse']

test('a native stream source gets unchanged HTML, with an id for its reconnect', async t => {
  const cable = await startCable(t, TURBO)
  const { response, next } = await events(t, cable, board())
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  assert.deepEqual([(await next())?.event, (await next())?.event], ['welcome', 'confirm_subscription'])

  await cable.broadcast('board/1', '<b>one</b>\n<i>two</i>\r\nthree')

  const event = await next()
  assert.equal(event?.data, '<b>one</b>\n<i>two</i>\nthree')
  assert.match(event?.id ?? '', /^\d+\/[\w-]+\/board\/1$/)
  assert.equal(event?.event, undefined)
})

test('a page first gets messages since its position, and after a reconnect those since its Last-Event-ID', async t => {
  const cable = await startCable(t, TURBO)
  const position = await cable.position()
  await cable.broadcast('board/1', 'one')
  const first = await events(t, cable, board(`&raw=1&position=${encodeURIComponent(position)}`))
  const { data, id } = (await first.next())!
  assert.equal(data, 'one')
  first.abort()
  await cable.broadcast('board/1', 'two')

  const second = await events(t, cable, board(`&raw=1&position=${encodeURIComponent(position)}`), {
    lastEventId: id!,
  })
  assert.equal((await second.next())?.data, 'two')
})

test('an unknown position causes a refresh, in an event that Turbo understands', async t => {
  const cable = await startCable(t, TURBO)
  const { next } = await events(t, cable, board('&raw=1'), { lastEventId: '7/gone/board/1' })

  assert.equal((await next())?.event, 'reject_history')
  assert.match((await next())?.data ?? '', /action="refresh"/)
})

test('a raw client gets only broadcasts, and comments that keep proxies awake', async t => {
  const cable = await startCable(t, [...TURBO, '--ping_interval=1'])
  const { next } = await events(t, cable, board('&raw=true'))

  assert.deepEqual(await next({ comments: true }), { comment: true })
})

test('a client that asks for history since a time gets it', async t => {
  const cable = await startCable(t, TURBO)
  await cable.broadcast('board/1', 'earlier')
  const { next } = await events(t, cable, board(`&raw=1&history_since=${Math.floor(Date.now() / 1000) - 60}`))

  assert.equal((await next())?.data, 'earlier')
})

test('a POST may hold several subscriptions, and each event names its identifier', async t => {
  const cable = await startCable(t, [...TURBO, '--public_streams'])
  const identifiers = ['a', 'b'].map(stream_name => JSON.stringify({ channel: '$pubsub', stream_name }))
  const body = identifiers.map(identifier => `${JSON.stringify({ command: 'whatever', identifier })}\n`).join('')
  const { next } = await events(t, cable, '?raw=1', { method: 'POST', body })
  await cable.broadcast('b', 'x')
  await cable.broadcast('a', { html: 'y' } as unknown as string)

  const frames = [JSON.parse((await next())!.data!), JSON.parse((await next())!.data!)]
  assert.deepEqual(
    frames.map(({ identifier, message }) => [identifier, message]),
    [
      [identifiers[1], 'x'],
      [identifiers[0], { html: 'y' }],
    ],
  )
})

for (const [about, query, init, status, error] of [
  ['no stream', '', {}, 400, 'identifier_missing'],
  ['a forged name', `?turbo_signed_stream_name=${sign('a', 'wrong')}`, {}, 400, 'stream_signature_mismatch'],
  ['an unsigned name', '?stream=a', {}, 400, 'stream_not_public'],
  ['an unknown channel', '?channel=ChatChannel', {}, 400, 'channel_unknown'],
  ['another method', board(), { method: 'PUT' }, 405, 'method_not_allowed'],
  ['another origin', board(), { headers: { origin: 'https://evil.example' } }, 403, 'origin_not_allowed'],
  ['a bad token', board('&jid=nonsense'), {}, 401, 'unauthorized'],
  ['an expired token', board(`&jid=${token({ ext: 'x', exp: 1 })}`), {}, 401, 'token_expired'],
] as const) {
  test(`${about} gets ${status} with its code, and leaves no session behind`, async t => {
    const cable = await startCable(t, [...TURBO, '--dev', '--allowed_origins=example.com'])
    const { response } = await events(t, cable, query, init)

    assert.equal(response.status, status)
    assert.equal((await cable.stats()).sessions, 0)
    assert.equal(((await response.json()) as { error: string }).error, error)
  })
}

test('the cable forgets a client that leaves, and a remote disconnect keeps a client from reconnecting', async t => {
  const cable = await startCable(t, ['--sse'])
  const jid = token({ ext: '{"user":1}' })
  const [leaving, staying] = [
    await events(t, cable, board(`&jid=${jid}`)),
    await events(t, cable, board(`&jid=${jid}`)),
  ]
  leaving.abort()
  await cable.until(({ sessions }) => sessions === 1)
  for (const _ of ['welcome', 'confirmation']) await staying.next()

  await cable.post({ command: 'disconnect', payload: { identifier: '{"user":1}' } })

  const { event, retry } = (await staying.next())!
  assert.deepEqual([event, retry], ['disconnect', '31536000000'])
  assert.equal(await staying.next(), undefined)
})

test('the cable cuts off a client that does not read, and others do not wait for it', async t => {
  const cable = await startCable(t, [...TURBO, '--ws_max_pending_size=1000000'])
  const quick = await events(t, cable, board('&raw=1'))
  const slow = get(eventsUrl(cable, board()))
  t.after(() => slow.destroy())
  slow.on('response', response => response.pause())
  slow.on('error', () => {})
  await cable.until(({ sessions }) => sessions === 2)

  const html = 'x'.repeat(500_000)
  for (let i = 0; i < 40; i++) {
    await cable.broadcast('board/1', html)
    assert.equal((await quick.next())?.data, html)
  }
  await cable.until(({ sessions }) => sessions === 1)
})

const DEEP = `${'[\r\n'.repeat(100_000)}${']'.repeat(100_000)}`

for (const [form, query, body] of [
  ['GET', '?stream=a', undefined],
  ['POST', '', `${JSON.stringify({ identifier: '{"channel":"$pubsub","stream_name":"a"}' })}\n`],
] as const) {
  test(`a message arrives unchanged, at any depth and on any number of lines: ${form}`, async t => {
    const cable = await startCable(t, [...TURBO, '--public_streams'])
    const { next } = await events(
      t,
      cable,
      `${query}${form === 'GET' ? '&' : '?'}raw=1`,
      body ? { method: 'POST', body } : {},
    )

    for (const data of [DEEP, '[1e400,12345678901234567890]', '{"a":1,\r"a" : 2}', '"x"'])
      assert.equal((await cable.post({ stream: 'a', data })).status, 201)

    const told = []
    for (let i = 0; i < 4; i++) told.push((await next())?.data)
    const messages = form === 'GET' ? told : told.map(text => /"message":(.*),"stream_id"/s.exec(text!)?.[1])
    assert.deepEqual(messages, [
      DEEP.replaceAll('\r\n', '\n'),
      '[1e400,12345678901234567890]',
      '{"a":1,\n"a" : 2}',
      form === 'GET' ? 'x' : '"x"',
    ])
  })
}

test('a client that reads gets all of one turn, even if that exceeds the limit for a slow client', async t => {
  const cable = await startCable(t, [...TURBO, '--ws_max_pending_size=1000000', '--max_broadcast_size=8000000'])
  const readers = await Promise.all(Array.from({ length: 10 }, () => events(t, cable, board('&raw=1'))))
  const publication = { stream: 'board/1', data: JSON.stringify('x'.repeat(100_000)) }

  assert.equal((await cable.post(Array(40).fill(publication))).status, 201)
  await cable.broadcast('board/1', 'next')

  for (const { next } of readers) {
    for (let i = 0; i < 40; i++) assert.equal((await next())?.data?.length, 100_000)
    assert.equal((await next())?.data, 'next')
  }
})

test('replays wait for each other, so that memory holds few of them at once', async t => {
  const cable = await startCable(t, [
    ...TURBO,
    '--public_streams',
    '--ws_max_pending_size=1000000',
    '--metrics_http=/metrics',
  ])
  const identifiers = Array.from({ length: 20 }, (_, i) => JSON.stringify({ channel: '$pubsub', stream_name: `${i}` }))
  for (let i = 0; i < 20; i++) await cable.broadcast(`${i}`, 'x'.repeat(400_000))
  const body = identifiers.map(identifier => `${JSON.stringify({ identifier, history: { since: 1 } })}\n`).join('')
  const { next } = await events(t, cable, '?raw=1', { method: 'POST', body })

  const first = JSON.parse((await next())!.data!)
  const text = await (await fetch(eventsUrl(cable, '').replace('/events', '/metrics'))).text()
  const pending = Number(/pending_bytes (\d+)/.exec(text)?.[1])
  assert.ok(pending < 2_000_000, `${pending}`)

  assert.equal(first.message.length, 400_000)
  for (let i = 1; i < 20; i++) assert.equal(JSON.parse((await next())!.data!).identifier, identifiers[i])
})

test('slow clients share one copy of a large message', async t => {
  const cable = await startCable(t, [...TURBO, '--ws_max_pending_size=0', '--max_broadcast_size=20000000'])
  const slow = Array.from({ length: 20 }, () => get(eventsUrl(cable, board())))
  for (const request of slow) {
    t.after(() => request.destroy())
    request.on('response', response => response.pause())
    request.on('error', () => {})
  }
  await cable.until(({ sessions }) => sessions === 20)
  const before = await settled(buffers)

  await cable.broadcast('board/1', 'x'.repeat(8_000_000))
  await cable.stats()

  const held = (await settled(buffers)) - before
  assert.ok(held < 60_000_000, `${held} bytes for 20 times 8,000,000`)
})

test('with --jwt_close_on_expiry the events end with the token, and the browser does not reconnect', async t => {
  const cable = await startCable(t, ['--sse', '--jwt_close_on_expiry'])
  const jid = token({ ext: '{}', exp: Math.floor(Date.now() / 1000) + 5 })
  const { next } = await events(t, cable, board(`&jid=${jid}`))
  assert.deepEqual([(await next())?.event, (await next())?.event], ['welcome', 'confirm_subscription'])

  const last = await next()

  assert.equal(last?.event, 'disconnect')
  assert.match(last?.data ?? '', /"reason":"token_expired","reconnect":false/)
  assert.ok(Number(last?.retry) > 1e10)
  assert.equal(await next(), undefined)
  await cable.until(({ sessions }) => sessions === 0)
})
