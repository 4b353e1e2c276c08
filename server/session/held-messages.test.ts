/**
 * Presence events, whispers and transient broadcasts, which no history holds, while a subscription waits for its replay.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { counted, METRICS, open, startCable, type TestCable, turbo } from '../test/test-cable.ts'

const FLAGS = ['--noauth', '--public_streams', '--ws_max_pending_size=400000', METRICS]

/** A client that stopped reading, for which so many bytes wait that its replays wait too. */
async function congested(cable: TestCable): Promise<Client> {
  const client = await cable.welcomed()
  await client.subscribe(open('flood'))
  client.ws.pause()
  while ((await counted(cable, 'pending_bytes')) < 220_000) await cable.broadcast('flood', 'x'.repeat(20_000))
  return client
}

/** Sends, and waits until the cable has taken it. */
async function say(cable: TestCable, client: Client, ...commands: object[]): Promise<void> {
  const before = await counted(cable, 'client_msg_total')
  for (const command of commands) client.send(command)
  while ((await counted(cable, 'client_msg_total')) < before + commands.length);
}

const about = (frames: readonly Frame[], identifier: string): unknown[] =>
  frames.filter(frame => frame.identifier === identifier).map(({ type, message }) => message ?? type)

const subscribe = (identifier: string, more: object = {}) => ({ command: 'subscribe', identifier, ...more })

/** All three kinds, between messages that the history holds. */
async function talk(cable: TestCable, speaker: Client): Promise<void> {
  await cable.broadcast('room', 'one')
  await say(cable, speaker, { command: 'join', identifier: open('room'), presence: { id: 'ada', info: 1 } })
  await cable.broadcast('room', 'two')
  await say(cable, speaker, { command: 'whisper', identifier: open('room'), data: 'psst' })
  await cable.broadcast('room', 'passing', { transient: true })
  await cable.broadcast('room', 'three')
}

const JOIN = { id: 'ada', info: 1, type: 'join' }

test('after its wait a subscription gets all transient messages in order, and a page only those of backends', async t => {
  const cable = await startCable(t, FLAGS)
  const slow = await congested(cable)
  const speaker = await cable.welcomed()
  await speaker.subscribe(open('room'))
  await say(cable, slow, subscribe(open('room')), subscribe(turbo('room')))
  await talk(cable, speaker)
  slow.ws.resume()
  const replayed = await slow.until(({ identifier, message }) => identifier === turbo('room') && message === 'three')
  await cable.broadcast('room', 'live', { transient: true })
  const frames = [...replayed, await slow.next(), await slow.next()]

  const confirmed = 'confirm_subscription'
  assert.deepEqual(about(frames, open('room')), [confirmed, 'one', JOIN, 'two', 'psst', 'passing', 'three', 'live'])
  assert.deepEqual(about(frames, turbo('room')), [confirmed, 'one', 'two', 'passing', 'three', 'live'])
})

test('a resumed subscription misses no transient message before its client asks for history', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', METRICS])
  const first = await cable.welcomed({ protocols: EXTENDED })
  await first.subscribe(open('room'))
  first.ws.terminate()
  await cable.until(({ sessions }) => sessions === 0)
  const speaker = await cable.welcomed()
  await speaker.subscribe(open('room'))

  const second = await cable.welcomed({ query: `?sid=${first.welcome.sid}`, protocols: EXTENDED })
  await talk(cable, speaker)
  second.send({ command: 'history', identifier: open('room'), history: { since: 1 } })

  const frames = await second.until(({ type }) => type === 'confirm_history')
  assert.deepEqual(about(frames, open('room')), ['one', JOIN, 'two', 'psst', 'passing', 'three', 'confirm_history'])
})

test('a resumed session gets neither its own whispers nor broadcasts that exclude it', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', METRICS])
  const first = await cable.welcomed({ protocols: EXTENDED })
  await first.subscribe(open('room'))
  const { sid } = first.welcome
  first.ws.terminate()
  await cable.until(({ sessions }) => sessions === 0)

  const second = await cable.welcomed({ query: `?sid=${sid}`, protocols: EXTENDED })
  await cable.broadcast('room', 'own', { transient: true, exclude_socket: sid })
  await say(cable, second, { command: 'whisper', identifier: open('room'), data: 'own' })
  second.send({ command: 'history', identifier: open('room'), history: { since: 1 } })

  assert.equal((await second.next()).type, 'confirm_history')
})

test('a subscription gets a gap if more bytes wait for it than a replay may have', async t => {
  const cable = await startCable(t, FLAGS)
  const slow = await congested(cable)
  const speaker = await cable.welcomed()
  await speaker.subscribe(open('room'))
  await say(cable, slow, subscribe(open('room'), { history: { since: 1 } }))
  const whisper = { command: 'whisper', identifier: open('room'), data: 'x'.repeat(15_000) }
  await say(cable, speaker, ...Array(30).fill(whisper))
  slow.ws.resume()
  const waited = await slow.until(({ type }) => type === 'reject_history')
  await cable.broadcast('room', 'live')

  assert.deepEqual(about(waited, open('room')), ['confirm_subscription', 'reject_history'])
  assert.equal((await slow.next()).message, 'live')
  assert.equal(await counted(cable, 'refusals_total{code="gap_too_large"}'), 1)
})

test('a subscription that ends while it waits gets nothing, and one that waits may ask for history once', async t => {
  const cable = await startCable(t, FLAGS)
  const slow = await congested(cable)
  const identifiers = ['a', 'b'].map(name => open(name)) as [string, string]
  const history = { command: 'history', identifier: identifiers[1], history: { since: 1 } }
  await say(cable, slow, ...identifiers.map(identifier => subscribe(identifier)), ...Array(10).fill(history))
  await say(cable, slow, { command: 'unsubscribe', identifier: identifiers[0] })
  for (const stream of ['a', 'b']) await cable.broadcast(stream, 'passing', { transient: true })
  slow.ws.resume()
  const waited = await slow.until(({ type }) => type === 'confirm_history')
  slow.send({ command: 'ping' })

  assert.equal((await slow.next()).type, 'pong')
  assert.deepEqual(about(waited, identifiers[0]), ['confirm_subscription'])
  assert.deepEqual(about(waited, identifiers[1]), ['confirm_subscription', 'passing', 'confirm_history'])
  assert.equal(await counted(cable, 'refusals_total{code="history_waiting"}'), 9)
})
