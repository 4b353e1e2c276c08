/**
 * Lost sessions: the client of one resumes it once, and gets the messages that it missed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BROKER_ANSWERS_LATER, type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { SECRET, startCable, type TestCable, token, turbo } from './test-cable.ts'

const ADA = '{"user":"ada"}'
const jid = (ext = ADA, secret = SECRET, exp = Math.floor(Date.now() / 1000) + 600) =>
  `?jid=${token({ ext, exp }, secret)}`
const connect = (cable: TestCable, query: string) => cable.welcomed({ query, protocols: EXTENDED })

/** Loses its connection without a word, and waits until the cable knows. */
async function lose(cable: TestCable, client: Client): Promise<void> {
  const { sessions } = await cable.stats()
  client.ws.terminate()
  await cable.until(stats => stats.sessions < sessions)
}

const from = ({ stream_id, epoch, offset }: Frame) => ({ streams: { [String(stream_id)]: { epoch, offset } } })

test('a client resumes a lost session: it gets the welcome, then exactly the missed messages, then live ones', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  const identifier = turbo('a')
  await first.subscribe(identifier)
  await cable.broadcast('a', 'seen')
  const last = await first.next()
  await lose(cable, first)
  await cable.broadcast('a', 'missed')

  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  await cable.broadcast('a', 'during')
  second.send({ command: 'history', identifier, history: from(last) })
  await cable.broadcast('a', 'after')

  const { sid, ...welcome } = second.welcome
  assert.deepEqual(welcome, { type: 'welcome', restored: true, restored_ids: [identifier] })
  assert.notEqual(sid, first.welcome.sid)
  // (A broker that answers later may put this message into the replay.)
  const wanted = new Set<unknown>(['confirm_history', 'after'])
  const frames = await second.until(({ type, message }) => wanted.delete(type ?? message) && wanted.size === 0)
  const told = frames.map(({ type, message }) => type ?? message).filter(what => what !== 'confirm_history')
  assert.deepEqual(told, ['missed', 'during', 'after'])
  assert.equal(frames.filter(({ type }) => type === 'confirm_history').length, 1)
})

test('a resuming client gets the missed messages even if it asks for no history', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  await lose(cable, first)
  await cable.broadcast('a', 'missed')
  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  await cable.broadcast('a', 'during')
  second.send({ command: 'pong' })

  assert.deepEqual([(await second.next()).message, (await second.next()).message], ['missed', 'during'])
})

test('a client that loses its connection twice, and asks for no history, gets what it missed after the first loss', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  await lose(cable, first)
  await cable.broadcast('a', 'missed')
  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  second.send({ command: 'ping' })
  assert.equal((await second.next()).type, 'pong')
  await lose(cable, second)
  const third = await connect(cable, `${jid()}&sid=${second.welcome.sid}`)
  third.send({ command: 'pong' })

  assert.equal((await third.next()).message, 'missed')
})

test('the header names the session as well, and wins', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  await lose(cable, first)
  const headers = { 'x-anycable-restore-sid': first.welcome.sid! }
  const second = await cable.welcomed({ query: `${jid()}&sid=nonsense`, headers, protocols: EXTENDED })

  assert.equal(second.welcome.restored, true)
})

test('a client resumes its session although the cable still takes the old connection for open', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)

  assert.equal(second.welcome.restored, true)
  assert.equal((await first.closed).code, 1000)
  assert.equal((await cable.stats()).sessions, 1)
})

for (const [about, prepare] of [
  ['another identity', () => jid('{"user":"eve"}')],
  ['an identity that looks alike', () => jid('{"user": "ada"}')],
] as const) {
  test(`${about} resumes nothing, and leaves the session for its own client`, async t => {
    const cable = await startCable(t)
    const first = await connect(cable, jid())
    await first.subscribe(turbo('a'))
    await lose(cable, first)

    const other = await connect(cable, `${prepare()}&sid=${first.welcome.sid}`)
    const own = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)

    assert.equal(other.welcome.restored, undefined)
    assert.equal(own.welcome.restored, true)
  })
}

for (const [about, query, reason] of [
  ['an expired token', () => jid(ADA, SECRET, 1_000_000_000), 'token_expired'],
  ['a forged token', () => jid(ADA, 'forged'), 'unauthorized'],
  ['no token', () => '?', 'unauthorized'],
] as const) {
  test(`${about} resumes nothing: a sid alone is not enough`, async t => {
    const cable = await startCable(t)
    const first = await connect(cable, jid())
    await first.subscribe(turbo('a'))
    await lose(cable, first)

    assert.equal((await connect(cable, `${query()}&sid=${first.welcome.sid}`)).welcome.reason, reason)
  })
}

test('the cable does not restore a subscription with an open gap: it starts again from the position of the page', async t => {
  // The page loses its connection before the cable has sent the announced refresh.
  const cable = await startCable(t, ['--heal_delay=60'])
  const [whole, torn] = [turbo('a', { position: await cable.position() }), turbo('b', { position: '1/gone' })]
  const first = await connect(cable, jid())
  for (const identifier of [whole, torn]) await first.subscribe(identifier)
  await cable.broadcast('b', 'live')
  const last = await first.next()
  await lose(cable, first)

  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  assert.deepEqual([second.welcome.restored, second.welcome.restored_ids], [true, [whole]])
  await second.subscribe(torn, { history: from(last) })
  assert.equal((await second.next()).type, 'reject_history')
})

test('the welcome of a session without subscriptions lists none: its client would otherwise take all for restored', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await lose(cable, first)

  const { welcome } = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  assert.deepEqual([welcome.restored, welcome.restored_ids], [true, []])
})

test('a client unaware of its restored subscription subscribes, gets a confirmation, and gets no message twice', async t => {
  const cable = await startCable(t)
  const identifier = turbo('a', { position: await cable.position() })
  const first = await connect(cable, jid())
  await first.subscribe(identifier)
  await lose(cable, first)
  await cable.broadcast('a', 'missed')

  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  const history = { streams: {} }
  second.send({ command: 'history', identifier, history })
  for (let i = 0; i < 2; i++) second.send({ command: 'subscribe', identifier, history })
  let answers = 0
  const frames = await second.until(({ type }) => type === 'confirm_history' && ++answers === 2)
  await cable.broadcast('a', 'live')

  // A confirmation does not wait for a replay.
  const [replay, confirmed] = [['missed', 'confirm_history'], 'confirm_subscription']
  assert.deepEqual(
    frames.map(({ type, message }) => type ?? message),
    [...(BROKER_ANSWERS_LATER ? [confirmed, ...replay] : [...replay, confirmed]), 'confirm_history'],
  )
  assert.equal((await second.next()).message, 'live')
})

test('a client resumes a session once', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  await lose(cable, first)

  assert.equal((await connect(cable, `${jid()}&sid=${first.welcome.sid}`)).welcome.restored, true)
  assert.equal((await connect(cable, `${jid()}&sid=${first.welcome.sid}`)).welcome.restored, undefined)
})

test('a session that a backend disconnected restores nothing, connected or lost', async t => {
  const cable = await startCable(t)
  const [connected, lost] = [await connect(cable, jid()), await connect(cable, jid())]
  for (const client of [connected, lost]) await client.subscribe(turbo('a'))
  await lose(cable, lost)

  await cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })
  await connected.closed

  for (const { welcome } of [connected, lost])
    assert.equal((await connect(cable, `${jid()}&sid=${welcome.sid}`)).welcome.restored, undefined)
})

test('the base protocol resumes nothing, nor does --sessions_ttl=0, nor --broker=none', async t => {
  for (const [flags, protocols] of [
    [[], ['actioncable-v1-json']],
    [['--sessions_ttl=0'], EXTENDED],
    [['--broker=none'], EXTENDED],
  ] as const) {
    const cable = await startCable(t, [...flags])
    const first = await cable.welcomed({ query: jid(), protocols })
    await first.subscribe(turbo('a'))
    await lose(cable, first)

    assert.equal(
      (await cable.welcomed({ query: `${jid()}&sid=${first.welcome.sid}`, protocols })).welcome.restored,
      undefined,
    )
  }
})

test('with --noauth only an anonymous client resumes an anonymous session, by its sid alone', async t => {
  const cable = await startCable(t, ['--noauth'])
  const first = await connect(cable, '')
  await first.subscribe(turbo('a'))
  await lose(cable, first)

  assert.equal(
    (await connect(cable, `${jid(JSON.stringify({ sid: first.welcome.sid }))}&sid=${first.welcome.sid}`)).welcome
      .restored,
    undefined,
  )
  assert.equal((await connect(cable, `?sid=${first.welcome.sid}`)).welcome.restored, true)
})

test('a resumed session stays excluded from broadcasts that exclude its former sid, live and replayed', async t => {
  const cable = await startCable(t)
  const first = await connect(cable, jid())
  await first.subscribe(turbo('a'))
  await cable.broadcast('a', 'seen')
  const last = await first.next()
  await lose(cable, first)
  await cable.broadcast('a', 'own, replayed', { exclude_socket: first.welcome.sid })
  await cable.broadcast('a', 'of others')
  const second = await connect(cable, `${jid()}&sid=${first.welcome.sid}`)
  second.send({ command: 'history', identifier: turbo('a'), history: from(last) })
  assert.deepEqual(
    (await second.until(({ type }) => type === 'confirm_history')).map(({ message }) => message),
    ['of others', undefined],
  )

  await cable.broadcast('a', 'own, live', { exclude_socket: first.welcome.sid })
  await cable.broadcast('a', 'last')
  assert.equal((await second.next()).message, 'last')
})

test('clients that connect, subscribe, leave or lose their connection leave nothing behind', async t => {
  const cable = await startCable(t, ['--max_lost_sessions=10'])
  for (let i = 0; i < 100; i++) {
    const client = await connect(cable, jid())
    await client.subscribe(turbo('a', { i }))
    if (i % 2 === 0) client.send({ command: 'unsubscribe', identifier: turbo('a', { i }) })
    await lose(cable, client)
  }

  const { sessions, streams, lost_sessions } = await cable.stats()
  assert.deepEqual({ sessions, streams, lost_sessions }, { sessions: 0, streams: 0, lost_sessions: 10 })
})
