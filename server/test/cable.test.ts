/** The cable as a whole: its pings, a remote disconnect, its end and its counters. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { sign, startCable, token, turbo } from './test-cable.ts'

const ADA = JSON.stringify({ user_id: 42 })

test('a remote disconnect reaches all sessions of the identity, and no other session', async t => {
  const cable = await startCable(t)
  const query = `?jid=${token({ ext: ADA })}`
  const other = await cable.connect({ query: `?jid=${token({ ext: '{"user_id":43}' })}` })
  const all = await Promise.all([1, 2, 3].map(() => cable.connect({ query })))
  await Promise.all([other, ...all].map(client => client.next()))

  const { status } = await cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })

  assert.equal(status, 201)
  for (const client of all) {
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'remote', reconnect: true })
    assert.deepEqual(await client.closed, { code: 1000, text: 'Closed remotely' })
  }
  assert.equal((await other.subscribe(turbo('a'))).type, 'confirm_subscription')
})

test('the cable sends pings unasked, with growing whole seconds', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1'])
  const client = await cable.connect()
  const pings: number[] = []
  while (pings.length < 2) {
    const frame = JSON.parse(String((await once(client.ws, 'message'))[0]))
    if (frame.type === 'ping') pings.push(frame.message)
  }

  assert.ok(pings.every(Number.isInteger))
  assert.ok(pings[1]! > pings[0]!)
})

test('a stop tells every client to come back, closes with 1001, and frees the port', async t => {
  const [port] = await freePorts(1)
  const cable = await startCable(t, ['--noauth', `--port=${port}`])
  const clients = await Promise.all([1, 2, 3].map(() => cable.connect()))
  await Promise.all(clients.map(client => client.next()))

  await cable.close()

  for (const client of clients) {
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'server_restart', reconnect: true })
    assert.deepEqual(await client.closed, { code: 1001, text: 'Server restart' })
  }
  const again = await startCable(t, ['--noauth', `--port=${port}`])
  assert.equal((await (await again.connect()).next()).type, 'welcome')
})

test('the metrics page shows the counters, and counts refusals by code', async t => {
  const cable = await startCable(t, ['--noauth', '--metrics_http=/metrics'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'wrong') }))
  await client.subscribe(turbo('a'))
  await cable.broadcast('a', 'x')
  await client.next()

  const text = await (await fetch(new URL('/metrics', cable.url.cable.replace('ws', 'http')))).text()

  for (const line of [
    'anycable_go_clients_num 1',
    'anycable_go_client_msg_total 2',
    'anycable_go_broadcast_msg_total 1',
    'anycable_go_refusals_total{code="stream_signature_mismatch"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
})
