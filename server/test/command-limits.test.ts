/** The rate of commands: a client that exceeds it waits, and loses nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '../../testing/client.ts'
import { counted, METRICS, open, refused, socketOf, startCable, turbo } from './test-cable.ts'

test('the cable delays a client that commands too fast, and loses no command', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const [hasty, calm] = [await cable.welcomed(), await cable.welcomed()]
  await calm.subscribe(turbo('a'))
  const commands = Array.from({ length: 60 }, (_, i) => ({ identifier: turbo('b', { i: i % 15 }) }))
  const started = performance.now()
  // In one write, so that the cable reads all of it at once.
  socketOf(hasty.ws).cork()
  for (const { identifier } of commands) {
    hasty.send({ command: 'subscribe', identifier })
    hasty.send({ command: 'unsubscribe', identifier })
  }
  socketOf(hasty.ws).uncork()
  await cable.broadcast('a', 'x')

  assert.equal((await calm.next()).message, 'x')
  for (const { identifier } of commands)
    assert.deepEqual(await hasty.next(), { type: 'confirm_subscription', identifier })
  assert.ok(performance.now() - started > 700, '20 at once, and 40 at 50 a second')
  assert.equal(await counted(cable, 'commands_delayed_total'), 1)
})

for (const [about, close] of [
  ['a close frame', ({ ws }) => ws.close()],
  [
    'a close frame and the end of its process',
    ({ ws }) => {
      ws.close()
      socketOf(ws).uncork()
      socketOf(ws).destroySoon()
    },
  ],
] as [string, (client: Client) => void][]) {
  test(`the cable executes waiting commands although the client sent ${about} right behind them, then sends it nothing`, async t => {
    const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=50']
    const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
    const [hasty, calm] = [await cable.welcomed(), await cable.welcomed()]
    const identifier = open('room')
    await calm.subscribe(identifier)
    await hasty.subscribe(identifier)
    hasty.send({ command: 'join', identifier, presence: { id: 'ada' } })
    assert.deepEqual((await calm.next()).message, { type: 'join', id: 'ada' })
    const received: Buffer[] = []
    socketOf(hasty.ws).on('data', data => received.push(data))
    socketOf(hasty.ws).cork()
    for (let i = 0; i < 60; i++) hasty.send({ command: 'whisper', identifier, data: i })
    hasty.send({ command: 'ping' })
    hasty.send({ command: 'leave', identifier })
    close(hasty)
    socketOf(hasty.ws).uncork()

    for (let i = 0; i < 60; i++) assert.equal((await calm.next()).message, i)
    assert.deepEqual((await calm.next()).message, { type: 'leave', id: 'ada' })
    await cable.until(({ sessions }) => sessions === 1)
    assert.equal(await refused(cable, 'commands_dropped'), 0)
    const [first, ...rest] = Buffer.concat(received).subarray(-2)
    if (about === 'a close frame') assert.deepEqual([first, ...rest], [0x88, 0])
    assert.doesNotMatch(String(Buffer.concat(received)), /pong/)
  })
}

test('a closed client keeps no session if its commands would have to wait too long', async t => {
  const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=1']
  const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  client.send({ command: 'ping', data: 'x'.repeat(50_000) })
  for (let i = 0; i < 9; i++) client.send({ command: 'ping' })
  client.ws.close()
  socketOf(client.ws).uncork()

  await cable.until(({ sessions }) => sessions === 0)
  assert.equal(await refused(cable, 'commands_dropped'), 9)
})

test('a backend disconnects a closed client at once, although commands of the client still wait', async t => {
  const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=1']
  const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 90; i++) client.send({ command: 'ping' })
  client.ws.close()
  socketOf(client.ws).uncork()
  await client.closed

  await fetch(`${cable.url.api}/disconnect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cable.apiKey}` },
    body: JSON.stringify({ sid: client.welcome.sid }),
  })

  await cable.until(({ sessions }) => sessions === 0)
  assert.deepEqual([await refused(cable, 'remote'), await refused(cable, 'commands_dropped')], [1, 0])
})

test('a page with --max_subscriptions streams subscribes without waiting, while the last page unsubscribes', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=400', METRICS])
  const client = await cable.welcomed()
  const page = (n: number) => Array.from({ length: 400 }, (_, i) => turbo('a', { n, i }))
  for (const identifier of page(1)) client.send({ command: 'subscribe', identifier })
  for (const identifier of page(1)) client.send({ command: 'unsubscribe', identifier })
  for (const identifier of page(2)) client.send({ command: 'subscribe', identifier })
  for (let i = 0; i < 800; i++) assert.equal((await client.next()).type, 'confirm_subscription')

  assert.equal(await counted(cable, 'commands_delayed_total'), 0)
})

test('an unsubscribe without a subscription costs as much as any command', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 100; i++) client.send({ command: 'unsubscribe', identifier: 'x' })
  client.send({ command: 'ping' })
  socketOf(client.ws).uncork()

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await counted(cable, 'commands_delayed_total'), 1)
})

test('a command counts once for each KiB', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  client.send({ command: 'ping', data: 'x'.repeat(60 * 1024) })
  client.send({ command: 'ping' })

  assert.deepEqual([(await client.next()).type, (await client.next()).type], ['pong', 'pong'])
  assert.equal(await counted(cable, 'commands_delayed_total'), 1)
})

test('WebSocket pings count as commands', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 50; i++) client.ws.ping()
  client.send({ command: 'ping' })
  socketOf(client.ws).uncork()

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await counted(cable, 'commands_delayed_total'), 1)
})

test('pongs that answer no ping count as commands, and the cable stops reading until the rate has covered them all', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  const pongs = Buffer.alloc(6 * 10_000, Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
  let taken = 0
  for (let i = 0; i < 400; i++) socketOf(client.ws).write(pongs, () => taken++)
  while ((await counted(cable, 'commands_delayed_total')) === 0);
  // If the cable were still reading, it would also read this client's pongs meanwhile.
  for (let i = 0; i < 50; i++) await cable.broadcast('other', 'x'.repeat(100_000))

  assert.equal(await counted(cable, 'commands_delayed_total'), 1)
  assert.ok(taken < 400, `${taken} of 400`)
})
