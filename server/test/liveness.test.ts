/**
 * Pings, pongs, and peers that vanish.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'
import { test } from 'node:test'
import { type Client, connect, EXTENDED } from '../../testing/client.ts'
import { startCable } from './test-cable.ts'

async function pings(client: Client, count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    const text = String((await once(client.ws, 'message'))[0])
    // A number cannot hold nanoseconds, so the test counts their digits.
    const [, digits] = /^\{"type":"ping","message":(\d+)\}$/.exec(text) ?? []
    if (digits !== undefined) found.push(digits.length)
  }
  return found
}

test('a client may choose another interval and another precision of its pings', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=60'])
  for (const [query, digits] of [
    ['?pi=1', 10],
    ['?pi=1&ptp=ms', 13],
    ['?pi=1&ptp=ns', 19],
    ['?pi=1&ptp=weeks', 10],
    ['?pi=60&pi=1', 10],
  ] as const) {
    assert.deepEqual(await pings(await cable.connect({ query }), 2), [digits, digits], query)
  }
})

test('a client may choose to get no pings', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1'])
  const [without, nonsense] = [await cable.connect({ query: '?pi=0' }), await cable.connect({ query: '?pi=soon' })]
  let pinged = false
  without.ws.on('message', data => {
    pinged ||= String(data).includes('ping')
  })
  await pings(nonsense, 3)

  assert.equal(pinged, false)
})

test('a client that asks gets a pong', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  client.send({ command: 'ping' })

  assert.deepEqual(await client.next(), { type: 'pong' })
})

test('with --pong_timeout the cable ends silent extended sessions with no_pong, but no answering or base session', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1', '--pong_timeout=2'])
  const [mute, polite, base] = [
    await cable.welcomed({ protocols: EXTENDED }),
    await cable.welcomed({ protocols: EXTENDED }),
    await cable.welcomed(),
  ]
  polite.ws.on('message', data => String(data).includes('"ping"') && polite.send({ command: 'pong' }))

  assert.deepEqual(await mute.next(), { type: 'disconnect', reason: 'no_pong', reconnect: true })
  assert.deepEqual(await mute.closed, { code: 1000, text: 'No Pong' })
  for (const client of [polite, base]) {
    client.send({ command: 'ping' })
    assert.equal((await client.next()).type, 'pong')
  }
})

test('the cable probes silent clients, but no client that answers pings', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1'])
  const [talker, silent] = [await cable.welcomed({ protocols: EXTENDED }), await cable.welcomed()]
  let probes = 0
  talker.ws.on('ping', () => probes++)
  talker.ws.on('message', data => String(data).includes('"ping"') && talker.send({ command: 'pong' }))

  for (let n = 0; n < 2; n++) await once(silent.ws, 'ping')

  assert.equal(probes, 0)
})

test('the cable frees the session of a client that vanished', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1'])
  const { port } = new URL(cable.url.cable)
  // Half-open: the proxy keeps both sockets open, and stops passing data.
  const held: Socket[] = []
  const proxy = createServer(socket => {
    const onward = dial(Number(port), '127.0.0.1')
    held.push(socket, onward)
    for (const end of [socket, onward]) end.on('error', () => {})
    socket.pipe(onward).pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.after(() => {
    for (const socket of held) socket.destroy()
    proxy.close()
  })
  const client = await connect(t, `ws://127.0.0.1:${(proxy.address() as { port: number }).port}/cable`)
  await client.next()
  const steady = await cable.welcomed()

  for (const [i, socket] of held.entries()) {
    socket.unpipe()
    if (i === 1) socket.pause()
  }
  let probes = 0
  steady.ws.on('ping', () => probes++)
  await cable.until(({ sessions }) => sessions === 1)

  assert.ok(probes <= 3, `a peer that is still there was probed ${probes} times meanwhile`)
  steady.send({ command: 'ping' })
  assert.equal((await steady.next()).type, 'pong')
})
