/**
 * History on the wire: where a subscription starts, and in what order it is told.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED, type Frame, startCable, type TestCable, turbo } from './test-cable.ts'

const REFRESH = '<turbo-stream action="refresh" method="morph" scroll="preserve" data-hotcable="heal"></turbo-stream>'

/** What arrives until a message that is sent last has arrived: types, messages. */
async function seen(cable: TestCable, client: Client, stream = 'a'): Promise<unknown[]> {
  await cable.broadcast(stream, 'last')
  const frames = await client.until(({ message }) => message === 'last')
  return frames.slice(0, -1).map(({ type, message }) => type ?? message)
}

const send = async (cable: TestCable, ...messages: string[]) => {
  for (const message of messages) await cable.broadcast('a', message)
}

const since = () => Math.floor(Date.now() / 1000) - 60

test('a page is sent what was broadcast after it was made, before anything live, and nothing twice', async t => {
  const cable = await startCable(t, ['--noauth'])
  await send(cable, 'in the page')
  const position = await cable.position()
  await send(cable, 'missed 1', 'missed 2')
  const client = await cable.welcomed()

  assert.equal((await client.subscribe(turbo('a', { position }))).type, 'confirm_subscription')

  assert.deepEqual(await seen(cable, client), ['missed 1', 'missed 2'])
})

test('history that was asked for is confirmed after it was told; a position in the identifier is not an asking', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  await send(cable, 'one')
  const client = await cable.welcomed({ protocols: EXTENDED })

  await client.subscribe(turbo('a', { position, asked: true }), { history: { since: since(), streams: {} } })
  assert.deepEqual(await seen(cable, client), ['one', 'confirm_history'])
})

test('the position of the page outranks what the client remembers of the stream', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  await send(cable, 'one', 'two')
  const client = await cable.welcomed({ protocols: EXTENDED })
  const [offset, epoch] = (await cable.position()).split(/[/-]/)

  await client.subscribe(turbo('a', { position }), {
    history: { since: since(), streams: { a: { epoch, offset: Number(offset) } } },
  })
  assert.deepEqual(await seen(cable, client), ['one', 'two', 'confirm_history'])
})

test('without a position the client’s own is used, and without that its clock', async t => {
  const cable = await startCable(t, ['--noauth'])
  await send(cable, 'one')
  const [offset, epoch] = (await cable.position()).split(/[/-]/)
  await send(cable, 'two')
  const [byOffset, byTime, neither] = [await cable.welcomed(), await cable.welcomed(), await cable.welcomed()]

  await byOffset.subscribe(turbo('a'), {
    history: { since: since(), streams: { a: { epoch, offset: Number(offset) } } },
  })
  await byTime.subscribe(turbo('a'), { history: { since: since(), streams: {} } })
  await neither.subscribe(turbo('a'), { history: { streams: {} } })

  await cable.broadcast('a', 'last')
  const heard = async (client: Client) =>
    (await client.until(({ message }) => message === 'last')).map(({ type, message }) => type ?? message)
  assert.deepEqual(await heard(byOffset), ['two', 'confirm_history', 'last'])
  assert.deepEqual(await heard(byTime), ['one', 'two', 'confirm_history', 'last'])
  assert.deepEqual(await heard(neither), ['confirm_history', 'last'])
})

for (const [about, position] of [
  ['of another life of the cable', '1/gone'],
  ['that is not known', '-'],
  ['of the future', undefined],
] as const) {
  test(`a position ${about} is a gap: the page is told to refresh, once, and goes on live`, async t => {
    const cable = await startCable(t, ['--noauth'])
    await send(cable, 'unknown to the page')
    const client = await cable.welcomed({ protocols: EXTENDED })
    const future = `999999/${(await cable.position()).split('/')[1]}`

    await client.subscribe(turbo('a', { position: position ?? future }), { history: { since: since(), streams: {} } })
    const [rejection, refresh] = [await client.next(), await client.next()]
    assert.equal(rejection.type, 'reject_history')
    assert.equal(refresh.message, REFRESH)
    assert.match(`${refresh.offset}/${refresh.epoch}`, /^\d+\/[\w-]+$/, 'it carries where the stream is')
    assert.deepEqual(await seen(cable, client), [])

    await client.subscribe(turbo('a', { position: position ?? future, again: true }))
    assert.deepEqual(
      await seen(cable, client),
      ['last'].slice(1),
      'held back: one refresh per stream and session in 30 s',
    )
  })
}

for (const [about, flags, fate] of [
  ['a refresh that is coming', [], 'coming'],
  ['that pages are not told to refresh', ['--heal=off'], 'off'],
] as const) {
  test(`the confirmation of a subscription that starts with a gap announces ${about}`, async t => {
    const cable = await startCable(t, ['--noauth', '--public_streams', ...flags])
    const position = await cable.position()
    const client = await cable.welcomed({ protocols: EXTENDED })
    const other = JSON.stringify({ channel: '$pubsub', stream_name: 'a', position: '-' })

    assert.equal((await client.subscribe(turbo('a', { position: '-' }))).refresh, fate)
    if (fate === 'coming') assert.equal((await client.next()).message, REFRESH)
    const again = await client.subscribe(turbo('a', { position: '-', again: true }))
    assert.equal(again.refresh, fate === 'coming' ? 'held-back' : fate)
    assert.deepEqual(Object.keys(await client.subscribe(turbo('a', { position }))), ['type', 'identifier'])
    assert.deepEqual(Object.keys(await client.subscribe(other)), ['type', 'identifier'])
  })
}

test('history that cannot be told announces the refresh as well', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.subscribe(turbo('a'))
  client.send({ command: 'history', identifier: turbo('a'), history: { streams: { a: { epoch: 'gone', offset: 1 } } } })

  const { type, refresh } = await client.next()
  assert.deepEqual([type, refresh], ['reject_history', 'coming'])
})

const told = (details: string) => `<turbo-stream action="hotcable" ${details}></turbo-stream>`

test('a source that asked is told what it is catching up with, and when it has', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  await send(cable, 'one', 'two')
  const client = await cable.welcomed({ protocols: EXTENDED })
  const asking = turbo('a', { position, events: '' })

  await client.subscribe(asking)
  const replay = [told('event="catching-up" messages="2"'), 'one', 'two', told('event="caught-up" messages="2"')]
  assert.deepEqual(await seen(cable, client), replay)
  await client.subscribe(turbo('a', { position: await cable.position(), events: '' }))
  assert.deepEqual(await seen(cable, client), [], 'nothing was missed, so nothing is said')
})

for (const [about, flags, place, details] of [
  ['in production', [], '-', 'event="gap" refresh="coming"'],
  ['with --heal=off', ['--heal=off'], '-', 'event="gap" refresh="off"'],
  ['with --dev: unknown', ['--dev'], '-', 'event="gap" refresh="coming" code="gap_position_unknown"'],
  ['with --dev: restarted', ['--dev'], '1/gone', 'event="gap" refresh="coming" code="gap_restarted"'],
  ['with --dev: too old', ['--dev', '--history_limit=1'], undefined, 'event="gap" refresh="coming" code="gap_too_old"'],
] as const) {
  test(`a source that asked is told of a gap, ${about}`, async t => {
    const cable = await startCable(t, ['--noauth', ...flags])
    const position = place ?? (await cable.position())
    await send(cable, 'one', 'two')
    const client = await cable.welcomed()
    await client.subscribe(turbo('a', { position, events: '' }))

    const { message } = await client.next()
    const [said, fix] = String(message).replace('></turbo-stream>', '').split(' fix=')
    assert.equal(said, `<turbo-stream action="hotcable" ${details}`)
    assert.equal(fix !== undefined, about.startsWith('with --dev'))

    await client.subscribe(turbo('a', { position, events: 'too' }))
    const second = await client.until(({ message }) => String(message).includes('event="gap"'))
    if (!about.includes('off')) assert.match(String(second.at(-1)?.message), /refresh="held-back"/)
  })
}

test('a gap of a subscription that is not Turbo’s refreshes nothing', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams'])
  const client = await cable.welcomed()

  await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a', position: '1/gone' }))
  assert.deepEqual(await seen(cable, client), [])
})

test('with --broker=none positions are accepted and mean nothing, and who asks is told that there is no history', async t => {
  const cable = await startCable(t, ['--noauth', '--broker=none'])
  const [page, asking] = [await cable.welcomed(), await cable.welcomed()]

  await page.subscribe(turbo('a', { position: '-' }))
  assert.deepEqual(await seen(cable, page), [])
  await asking.subscribe(turbo('a'), { history: { since: since(), streams: {} } })
  assert.equal((await asking.next()).type, 'reject_history')
})

test('the history command tells what came since, and never what this subscription has been sent already', async t => {
  const cable = await startCable(t, ['--noauth'])
  const before = await cable.position()
  await send(cable, 'before')
  const client = await cable.welcomed()
  const identifier = turbo('a')
  await client.subscribe(identifier)
  await send(cable, 'live')
  assert.equal((await client.next()).message, 'live')
  const [offset, epoch] = before.split(/[/-]/)
  const history = { streams: { a: { epoch, offset: Number(offset) } } }

  client.send({ command: 'history', identifier, history })
  client.send({ command: 'history', identifier, history })

  assert.deepEqual(await seen(cable, client), ['before', 'confirm_history', 'confirm_history'])
})

for (const [about, history] of [
  ['nothing', undefined],
  ['an empty wish', {}],
  ['a zero', { since: 0 }],
] as const) {
  test(`the history command with ${about} has no answer, as in the reference`, async t => {
    const cable = await startCable(t, ['--noauth'])
    const client = await cable.welcomed()
    await client.subscribe(turbo('a'))
    client.send({ command: 'history', identifier: turbo('a'), history })

    assert.deepEqual(await seen(cable, client), [])
  })
}

for (const history of [
  { since: 'yesterday' },
  { since: -5 },
  { streams: { a: 7 } },
  { streams: { a: { epoch: 7, offset: 'x' } } },
  { streams: { a: null } },
]) {
  test(`history that cannot be read is a gap: ${JSON.stringify(history)}`, async t => {
    const cable = await startCable(t, ['--noauth', '--public_streams'])
    const client = await cable.welcomed()
    await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }), { history })

    assert.deepEqual(await seen(cable, client), ['reject_history'])
  })
}

test('who was left out of a broadcast is left out of its replay', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  await cable.broadcast('a', 'ada did this', { exclude_socket: ada.welcome.sid })
  await send(cable, 'for all')

  for (const client of [ada, bob]) await client.subscribe(turbo('a', { position }))

  assert.deepEqual((await ada.next()).message, 'for all')
  assert.deepEqual([(await bob.next()).message, (await bob.next()).message], ['ada did this', 'for all'])
})

test('a transient message is delivered and not remembered', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const live = await cable.welcomed()
  await live.subscribe(turbo('a'))
  await cable.broadcast('a', 'passing', { transient: true })
  const late = await cable.welcomed()
  await late.subscribe(turbo('a', { position }))

  const { offset, ...frame } = await live.next()
  assert.deepEqual([frame.message, offset], ['passing', undefined])
  assert.deepEqual(await seen(cable, late), [])
})

test('live messages neither overtake a replay nor fall behind it, however many subscribe while they come', async t => {
  const cable = await startCable(t, ['--noauth', '--history_limit=1000'])
  const position = await cable.position()
  const clients = await Promise.all(Array.from({ length: 10 }, () => cable.welcomed()))
  const wanted: string[] = []
  const subscribed: Promise<Frame>[] = []
  for (let i = 0; i < 200; i++) {
    wanted.push(String(i))
    if (i % 20 === 10) subscribed.push(clients[subscribed.length]!.subscribe(turbo('a', { position })))
    await cable.broadcast('a', String(i))
  }
  await Promise.all(subscribed)

  for (const client of clients) {
    const messages: unknown[] = []
    while (messages.length < wanted.length) messages.push((await client.next()).message)
    assert.deepEqual(messages, wanted)
  }
})

test('a replay larger than may wait for one client is a gap, not an end', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=10000'])
  const position = await cable.position()
  for (let i = 0; i < 20; i++) await cable.broadcast('a', 'x'.repeat(1000))
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position }))

  assert.deepEqual(await seen(cable, client), [REFRESH])
})

test('many replays wait for each other, and a client that reads gets them all', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=200000'])
  const position = await cable.position()
  const html = 'x'.repeat(2000)
  for (let i = 0; i < 50; i++) await cable.broadcast('a', html)
  const client = await cable.welcomed()
  client.ws.pause()
  for (let i = 0; i < 100; i++) client.send({ command: 'subscribe', identifier: turbo('a', { position, i }) })
  await cable.broadcast('b', 'time passes')
  client.ws.resume()

  let messages = 0
  while (messages < 5000) {
    const { type, message } = await client.next()
    if (message === html) messages++
    else assert.equal(type, 'confirm_subscription')
  }
  await cable.broadcast('a', 'last')
  for (let i = 0; i < 100; i++) assert.equal((await client.next()).message, 'last')
})

test('with --heal=off a gap is only said to who asked', async t => {
  const cable = await startCable(t, ['--noauth', '--heal=off'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position: '-' }))

  assert.deepEqual(await seen(cable, client), [])
})

test('refreshes wait until the app is well', async t => {
  const cable = await startCable(t, ['--noauth', '--heal_check=http://127.0.0.1:1/'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a', { position: '-' }))

  assert.deepEqual(await seen(cable, client), [])
})
