/**
 * Presence and whispers: clients get them, pages never do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { counted, IN_REDIS, METRICS, open, sign, startCable, type TestCable, turbo } from './test-cable.ts'

const PUBLIC = ['--noauth', '--public']

const signed = (stream: string) => JSON.stringify({ channel: '$pubsub', signed_stream_name: sign(stream) })

async function joined(
  cable: TestCable,
  identifier: string,
  id: string,
  info: unknown = {},
): Promise<Client & { welcome: Frame }> {
  const client = await cable.welcomed()
  await client.confirmed(identifier)
  client.send({ command: 'join', identifier, presence: { id, info } })
  return client
}

test('a page that leaves a stream does not end the presence that its session has there by another subscription', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams'])
  const [member, watcher] = [await cable.welcomed(), await cable.welcomed()]
  await watcher.confirmed(open('a'))
  for (const identifier of [open('a'), turbo('a')]) await member.confirmed(identifier)
  member.command('join', open('a'), { presence: { id: 'ada' } })
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
  for (const command of ['leave', 'unsubscribe']) member.command(command, turbo('a'))
  await member.answers()
  watcher.command('presence', open('a'))

  assert.deepEqual((await watcher.next()).message, { type: 'info', total: 1, records: [{ id: 'ada' }] })
})

test('all subscribers get a join, the joining client included, and a client that asks gets all members', async t => {
  const cable = await startCable(t, PUBLIC)
  const identifier = open('room')
  const ada = await joined(cable, identifier, 'ada', { name: 'Ada' })
  assert.deepEqual(await ada.next(), {
    type: 'presence',
    identifier,
    message: { id: 'ada', info: { name: 'Ada' }, type: 'join' },
  })
  const bob = await joined(cable, identifier, 'bob', 'just text')
  assert.deepEqual((await ada.next()).message, { id: 'bob', info: 'just text', type: 'join' })
  await bob.next()

  ada.send({ command: 'presence', identifier })
  const records = [
    { info: { name: 'Ada' }, id: 'ada' },
    { info: 'just text', id: 'bob' },
  ]
  assert.deepEqual(await ada.next(), { type: 'presence', identifier, message: { type: 'info', total: 2, records } })

  bob.send({ command: 'unsubscribe', identifier })
  assert.deepEqual((await ada.next()).message, { id: 'bob', type: 'leave' })
  ada.send({ command: 'leave', identifier })
  assert.deepEqual((await ada.next()).message, { id: 'ada', type: 'leave' })
  ada.send({ command: 'presence', identifier })
  assert.deepEqual((await ada.next()).message, { type: 'info', total: 0 })
})

test('a client that joins as it subscribes gets the confirmation first', async t => {
  const cable = await startCable(t, ['--noauth'])
  // (A node gets the events of a stream only once it listens, and this client would make it listen.)
  await cable.heard(signed('room'))
  const client = await cable.welcomed()
  await client.confirmed(signed('room'), { presence: { id: 'ada', info: 1 } })

  assert.deepEqual((await client.next()).message, { id: 'ada', info: 1, type: 'join' })
})

test('a person with two sessions joins once and leaves once', async t => {
  const cable = await startCable(t, ['--noauth'])
  const identifier = signed('room')
  const watcher = await cable.welcomed()
  await watcher.confirmed(identifier)
  const [one, two] = [await joined(cable, identifier, 'ada'), await joined(cable, identifier, 'ada')]
  for (const client of [one, two]) await client.answers()
  await cable.settled()
  one.send({ command: 'unsubscribe', identifier })
  two.send({ command: 'unsubscribe', identifier })
  await cable.broadcast('room', 'last')

  const events = (await watcher.until(({ message }) => message === 'last')).map(
    ({ message }) => (message as { type?: string }).type,
  )
  assert.deepEqual(events, ['join', 'leave', undefined])
})

test('the cable does not send all members again and again to a client that does not read', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', '--ws_max_pending_size=300000', METRICS])
  const members = await Promise.all(Array.from({ length: 20 }, () => cable.welcomed()))
  for (const [at, client] of members.entries())
    await client.subscribe(open('room'), { presence: { id: `member ${at}`, info: 'x'.repeat(4000) } })
  const client = await cable.welcomed()
  await client.confirmed(open('room'))
  client.ws.pause()
  for (let i = 0; i < 250; i++) client.send({ command: 'presence', identifier: open('room') })
  while ((await counted(cable, 'client_msg_total')) < 20 + 1 + 250);

  assert.ok((await counted(cable, 'pending_bytes')) < 1_000_000)
  client.ws.resume()
  const answers: { records: readonly unknown[] }[] = []
  while (answers.length < 250) {
    const { type, message } = await client.next()
    // (From Redis a join may come later than its answer.)
    if (type === 'presence' && 'records' in (message as object))
      answers.push(message as { records: readonly unknown[] })
  }
  // (The buffers of the system take the first ones, and a later one if they grow.)
  const short = answers.filter(({ records }) => records.length === 0)
  assert.ok(short.length > 100, `${short.length}`)
  for (const answer of short) assert.deepEqual(answer, { type: 'info', total: 20, records: [], truncated: true })
})

test('a session cannot join a stream as two people, and gets no answer to the second join', async t => {
  const cable = await startCable(t, ['--noauth'])
  const ada = await joined(cable, signed('room'), 'ada')
  await ada.next()
  ada.send({ command: 'join', identifier: signed('room'), presence: { id: 'eve', info: {} } })
  ada.send({ command: 'presence', identifier: signed('room') })

  assert.deepEqual((await ada.next()).message, { type: 'info', total: 1, records: [{ info: {}, id: 'ada' }] })
})

test('presence lasts as long as the connection, and --presence_ttl longer, on the base protocol too', {
  skip: IN_REDIS && 'Redis reads its clock itself',
}, async t => {
  const clock = { ms: 0 }
  const cable = await startCable(t, ['--noauth', '--presence_ttl=60', '--sessions_ttl=1'], {
    monotonic: () => clock.ms,
  })
  const ada = await joined(cable, signed('room'), 'ada')
  assert.deepEqual((await ada.next()).message, { id: 'ada', info: {}, type: 'join' })
  const watcher = await cable.welcomed()
  await watcher.confirmed(signed('room'))
  const present = async () => {
    watcher.send({ command: 'presence', identifier: signed('room') })
    return ((await watcher.next()).message as { total: number }).total
  }

  // The upkeep, which runs on a real timer, forgets the lost session.
  const lost = await cable.welcomed({ protocols: EXTENDED })
  lost.ws.terminate()
  await cable.until(({ lost_sessions }) => lost_sessions === 1)
  clock.ms += 3_600_000
  await cable.until(({ lost_sessions }) => lost_sessions === 0)
  assert.equal(await present(), 1)

  ada.ws.terminate()
  await cable.until(({ sessions }) => sessions === 1)
  assert.equal(await present(), 1)
  clock.ms += 61_000
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'leave' })
})

test('without a broker the cable answers a presence request with an error', async t => {
  const cable = await startCable(t, ['--noauth', '--broker=none'])
  const client = await joined(cable, signed('room'), 'ada')
  client.send({ command: 'presence', identifier: signed('room') })

  assert.deepEqual((await client.next()).message, { type: 'error', total: 0 })
})

test('a whisper reaches every other subscriber, and the cable does not keep it', async t => {
  const cable = await startCable(t, PUBLIC)
  const position = await cable.position()
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  for (const client of [ada, bob]) await client.confirmed(open('room'))
  for (const data of [{ typing: true }, 'text', 7, null])
    ada.send({ command: 'whisper', identifier: open('room'), data })
  bob.send({ command: 'whisper', identifier: open('room'), data: 'answer' })

  const heard = []
  for (let i = 0; i < 4; i++) heard.push(await bob.next())
  assert.deepEqual(
    heard.map(({ message }) => message),
    [{ typing: true }, 'text', 7, 'null'],
  )
  assert.deepEqual(Object.keys(heard[0]!), ['identifier', 'message'])
  assert.equal((await ada.next()).message, 'answer')
  const late = await cable.welcomed()
  await late.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'room', position }))
  await cable.broadcast('room', 'last')
  assert.equal((await late.next()).message, 'last')
})

test('a whisper on a signed name needs --streams_whisper', async t => {
  for (const [flags, heard] of [
    [[], 'last'],
    [['--streams_whisper'], 'psst'],
  ] as const) {
    const cable = await startCable(t, ['--noauth', ...flags])
    const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
    for (const client of [ada, bob]) await client.confirmed(signed('room'))
    ada.send({ command: 'whisper', identifier: signed('room'), data: 'psst' })
    ada.send({ command: 'ping' })
    assert.equal((await ada.next()).type, 'pong')
    await cable.broadcast('room', 'last')

    assert.equal((await bob.next()).message, heard)
  }
})

for (const [channel, identifier] of [
  ['Turbo::StreamsChannel', turbo('board/1')],
  ['CableReady::Stream', JSON.stringify({ channel: 'CableReady::Stream', identifier: sign('board/1') })],
] as const) {
  test(`HTML that a client whispers never reaches a page, though the names are signed alike: ${channel}`, async t => {
    const cable = await startCable(t, ['--noauth', '--cable_ready', '--streams_whisper', '--public_streams'])
    const [page, honest] = [await cable.welcomed(), await cable.welcomed()]
    await page.confirmed(identifier)
    await honest.confirmed(signed('board/1'))
    const evil =
      '<turbo-stream action="append" target="cards"><template><script>steal()</script></template></turbo-stream>'

    // The attacker has the page's signed name, and subscribes with it to a channel that allows whispers.
    for (const way of [signed('board/1'), open('board/1')]) {
      const attacker = await cable.welcomed()
      await attacker.confirmed(way)
      attacker.send({ command: 'whisper', identifier: way, data: evil })
      attacker.send({ command: 'join', identifier: way, presence: { id: evil, info: evil } })
      assert.equal((await honest.next()).message, evil)
      assert.equal(((await honest.next()).message as { id: string }).id, evil)
      attacker.send({ command: 'unsubscribe', identifier: way })
      await honest.next()
    }
    await cable.broadcast('board/1', 'from a backend')

    assert.equal((await page.next()).message, 'from a backend')
  })

  test(`a page can neither whisper nor be present: ${channel}`, async t => {
    const cable = await startCable(t, ['--noauth', '--cable_ready', '--streams_whisper'])
    const [page, honest] = [await cable.welcomed(), await cable.welcomed()]
    await page.confirmed(identifier)
    await honest.confirmed(signed('board/1'))
    page.send({ command: 'whisper', identifier, data: 'x' })
    page.send({ command: 'join', identifier, presence: { id: 'x', info: {} } })
    page.send({ command: 'presence', identifier })

    assert.deepEqual((await page.next()).message, { type: 'error', total: 0 })
    await cable.broadcast('board/1', 'last')
    assert.equal((await honest.next()).message, 'last')
  })
}
