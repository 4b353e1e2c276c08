import assert from 'node:assert/strict'
import { get } from 'node:http'
import { type TestContext, test } from 'node:test'
import { sign, startCable, type TestCable, token } from '../testing.ts'
import { formatEvent } from '../transport/sse.ts'

interface Event {
  event?: string
  data?: string
  id?: string
  retry?: string
  comment?: true
}

/** Reads events as they come. */
async function events(t: TestContext, cable: TestCable, query: string, init: RequestInit = {}) {
  const aborter = new AbortController()
  t.after(() => aborter.abort())
  const response = await fetch(`${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}${query}`, {
    signal: aborter.signal,
    ...init,
  })
  let reader: ReadableStreamDefaultReader<string> | undefined
  let text = ''
  return {
    response,
    abort: () => aborter.abort(),
    /** The next that is no ping; with `comments` also what a raw client gets for one. */
    async next({ comments = false } = {}): Promise<Event | undefined> {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const lines = text.slice(0, end).split('\n')
          text = text.slice(end + 2)
          const field = (name: string) =>
            lines
              .filter(line => line.startsWith(`${name}: `))
              .map(line => line.slice(name.length + 2))
              .join('\n') || undefined
          const event: Event =
            lines[0] === ':'
              ? { comment: true }
              : JSON.parse(
                  JSON.stringify({
                    event: field('event'),
                    data: field('data'),
                    id: field('id'),
                    retry: field('retry'),
                  }),
                )
          if (event.event !== 'ping' && (comments || !event.comment)) return event
          continue
        }
        reader ??= response.body!.pipeThrough(new TextDecoderStream()).getReader()
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
    },
  }
}

const board = (extra = '') => `?turbo_signed_stream_name=${encodeURIComponent(sign('board/1'))}${extra}`
const TURBO = ['--noauth', '--sse']

test('a native stream source is sent HTML as it is, with an id to come back with', async t => {
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

test('what came after the page was made is sent first; what the browser has seen since is newer than the page', async t => {
  const cable = await startCable(t, TURBO)
  const position = await cable.position()
  await cable.broadcast('board/1', 'one')
  const first = await events(t, cable, board(`&raw=1&position=${encodeURIComponent(position)}`))
  const { data, id } = (await first.next())!
  assert.equal(data, 'one')
  first.abort()
  await cable.broadcast('board/1', 'two')

  const second = await events(t, cable, board(`&raw=1&position=${encodeURIComponent(position)}`), {
    headers: { 'last-event-id': id! },
  })
  assert.equal((await second.next())?.data, 'two')
})

test('a place that cannot be told is a refresh, in an event that Turbo understands', async t => {
  const cable = await startCable(t, TURBO)
  const { next } = await events(t, cable, board('&raw=1'), { headers: { 'last-event-id': '7/gone/board/1' } })

  assert.match((await next())?.data ?? '', /action="refresh"/)
})

test('raw is only what was broadcast, and comments that keep proxies awake', async t => {
  const cable = await startCable(t, [...TURBO, '--ping_interval=1'])
  const { next } = await events(t, cable, board('&raw=true'))

  assert.deepEqual(await next({ comments: true }), { comment: true })
})

test('history is told since a time, when that is asked for', async t => {
  const cable = await startCable(t, TURBO)
  await cable.broadcast('board/1', 'earlier')
  const { next } = await events(t, cable, board(`&raw=1&history_since=${Math.floor(Date.now() / 1000) - 60}`))

  assert.equal((await next())?.data, 'earlier')
})

test('several subscriptions may be POSTed, and then events say whose they are', async t => {
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
  ['a line that is no command', '', { method: 'POST', body: 'nonsense' }, 400, 'identifier_missing'],
  ['another method', board(), { method: 'PUT' }, 405, 'method_not_allowed'],
  ['another origin', board(), { headers: { origin: 'https://evil.example' } }, 403, 'origin_not_allowed'],
  ['a bad token', board('&jid=nonsense'), {}, 401, 'unauthorized'],
  ['an expired token', board(`&jid=${token({ ext: 'x', exp: 1 })}`), {}, 401, 'token_expired'],
] as const) {
  test(`${about} is answered with ${status} and its code, and no session is left`, async t => {
    const cable = await startCable(t, [...TURBO, '--dev', '--allowed_origins=example.com'])
    const { response } = await events(t, cable, query, init)

    assert.equal(response.status, status)
    assert.equal((await cable.stats()).sessions, 0)
    assert.equal(((await response.json()) as { error: string }).error, error)
  })
}

test('a client that leaves is forgotten, and a remote disconnect tells it never to come back', async t => {
  const cable = await startCable(t, ['--sse'])
  const jid = token({ ext: '{"user":1}' })
  const [leaving, staying] = [
    await events(t, cable, board(`&jid=${jid}`)),
    await events(t, cable, board(`&jid=${jid}`)),
  ]
  leaving.abort()
  await cable.until(({ sessions }) => sessions === 1)
  await Promise.all([staying.next(), staying.next()])

  await cable.post({ command: 'disconnect', payload: { identifier: '{"user":1}' } })

  const { event, retry } = (await staying.next())!
  assert.deepEqual([event, retry], ['disconnect', '31536000000'])
  assert.equal(await staying.next(), undefined)
})

test('a client that does not read is cut, and others do not wait for it', async t => {
  const cable = await startCable(t, [...TURBO, '--ws_max_pending_size=1000000'])
  const quick = await events(t, cable, board('&raw=1'))
  const slow = get(`${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}${board()}`)
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

test('an event is one event, whatever is in the message or the name of the stream', () => {
  const format = { raw: true, unwrapped: true }

  assert.equal(
    formatEvent({ message: 'a\n\ndata: b', stream_id: 's', epoch: 'e', offset: 1 }, format),
    'data: a\ndata: \ndata: data: b\nid: 1/e/s\n\n',
  )
  assert.equal(formatEvent({ message: '', stream_id: 's\nevent: x', epoch: 'e', offset: 1 }, format), 'data: \n\n')
  assert.equal(formatEvent({ message: { a: 1 } }, format), 'data: {"a":1}\n\n')
})
