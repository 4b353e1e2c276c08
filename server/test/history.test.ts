/** History on the wire: the start of a subscription, and the order of its messages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { seen, send, since } from './history-messages.ts'
import { startCable, turbo } from './test-cable.ts'

test('a page gets each message broadcast after its position once, before any live message', async t => {
  const cable = await startCable(t, ['--noauth'])
  await send(cable, 'in the page')
  const position = await cable.position()
  await send(cable, 'missed 1', 'missed 2')
  const client = await cable.welcomed()

  assert.equal((await client.subscribe(turbo('a', { position }))).type, 'confirm_subscription')

  assert.deepEqual(await seen(cable, client), ['missed 1', 'missed 2'])
})

test('the cable confirms history after the replay if the client asked; a position in the identifier does not ask', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  await send(cable, 'one')
  const client = await cable.welcomed({ protocols: EXTENDED })

  await client.subscribe(turbo('a', { position, asked: true }), { history: { since: since(), streams: {} } })
  assert.deepEqual(await seen(cable, client), ['one', 'confirm_history'])
})

test('the position of the page outranks the position that the client remembers', async t => {
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

test('without a position the cable uses the one that the client remembers, or else the client’s clock', async t => {
  const cable = await startCable(t, ['--noauth'])
  // (A subscription without a position starts at the newest offset that reached its node.)
  await cable.heard(turbo('a'))
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

test('with --broker=none the cable ignores positions, and rejects requests for history', async t => {
  const cable = await startCable(t, ['--noauth', '--broker=none'])
  const [page, asking] = [await cable.welcomed(), await cable.welcomed()]

  await page.subscribe(turbo('a', { position: '-' }))
  assert.deepEqual(await seen(cable, page), [])
  await asking.subscribe(turbo('a'), { history: { since: since(), streams: {} } })
  assert.equal((await asking.next()).type, 'reject_history')
})

test('the history command replays the messages since, but none that the subscription got already', async t => {
  const cable = await startCable(t, ['--noauth'])
  // (A subscription without a position starts at the newest offset that reached its node.)
  await cable.heard(turbo('a'))
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
  const told = await client.until(({ type }) => type === 'confirm_history')
  client.send({ command: 'history', identifier, history })

  const again = await client.until(({ type }) => type === 'confirm_history')
  assert.deepEqual(
    [...told, ...again].map(({ type, message }) => type ?? message),
    ['before', 'confirm_history', 'confirm_history'],
  )
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

test('a broadcast and its replay exclude the same client', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  await cable.broadcast('a', 'ada did this', { exclude_socket: ada.welcome.sid })
  await send(cable, 'for all')

  for (const client of [ada, bob]) await client.subscribe(turbo('a', { position }))

  assert.deepEqual((await ada.next()).message, 'for all')
  assert.deepEqual([(await bob.next()).message, (await bob.next()).message], ['ada did this', 'for all'])
})

test('a replay has the types of its messages, as the live frames have them', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const live = await cable.welcomed()
  await live.subscribe(turbo('a', { position }))
  await send(cable, 'plain')
  await cable.broadcast('a', 'with a type', { broadcast_type: 'custom "é"' })
  await send(cable, 'plain again')
  const late = await cable.welcomed()
  await late.subscribe(turbo('a', { position }))

  const frames = [await live.next(), await live.next(), await live.next()]
  assert.deepEqual(
    frames.map(({ type, message }) => [type, message]),
    [
      [undefined, 'plain'],
      ['custom "é"', 'with a type'],
      [undefined, 'plain again'],
    ],
  )
  assert.deepEqual([await late.next(), await late.next(), await late.next()], frames)
})

test('the cable delivers a transient message, and does not keep it', async t => {
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
