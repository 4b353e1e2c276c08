/** Sessions end after floods of mistakes, broken frames or an expired token; former keys still verify. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WebSocket } from 'ws'
import { METRICS, refused, SECRET, socketOf, startCable, token, turbo } from './test-cable.ts'

/** Text frames, masked with zeros. */
const frames = (text: string, count: number) =>
  Buffer.concat(
    Array.from({ length: count }, () =>
      Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]),
    ),
  )

for (const [about, text] of [
  ['empty frames', ''],
  ['frames that are no JSON', 'x'],
  ['JSON that is not a command', '[]'],
] as const) {
  test(`after a hundred ${about} in a second the session ends with 1008`, async t => {
    const cable = await startCable(t, ['--noauth', METRICS])
    const client = await cable.welcomed()
    t.mock.method(performance, 'now', () => 0)
    socketOf(client.ws).write(frames(text, Math.floor(65_536 / (6 + text.length))))

    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'malformed_flood', reconnect: false })
    assert.equal((await client.closed).code, 1008)
    assert.equal(await refused(cable, 'malformed_flood'), 1)
    assert.equal(await refused(cable, 'command_malformed'), 101, 'the rest is not looked at')
  })
}

test('a hundred malformed commands do not end the session', async t => {
  const cable = await startCable(t, ['--noauth', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).write(frames('x', 100))
  client.send({ command: 'ping' })

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await refused(cable, 'command_malformed'), 100)
})

for (const [code, break_] of [
  ['message_too_large', (ws: WebSocket) => ws.send('x'.repeat(70_000))],
  [
    'too_many_fragments',
    (ws: WebSocket) =>
      socketOf(ws).write(
        Buffer.concat(Array.from({ length: 2000 }, (_, i) => Buffer.from([i === 0 ? 1 : 0, 0x81, 0, 0, 0, 0, 32]))),
      ),
  ],
  ['text_malformed', (ws: WebSocket) => socketOf(ws).write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))],
  ['frame_malformed', (ws: WebSocket) => socketOf(ws).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))],
] as const) {
  test(`the cable counts a broken connection by its code: ${code}`, async t => {
    const cable = await startCable(t, ['--noauth', METRICS])
    const client = await cable.welcomed()
    break_(client.ws)
    await client.closed

    assert.equal(await refused(cable, code), 1)
  })
}

test('with --jwt_close_on_expiry a session ends when its token expires', async t => {
  const [strict, lax] = [await startCable(t, ['--jwt_close_on_expiry']), await startCable(t)]
  const query = `?jid=${token({ ext: 'x', exp: Math.floor(Date.now() / 1000) + 5 })}`
  const far = await strict.welcomed({ query: `?jid=${token({ ext: 'x', exp: 9_999_999_999 })}` })
  const [ends, goesOn] = [await strict.welcomed({ query }), await lax.welcomed({ query })]

  assert.deepEqual(await ends.next(), { type: 'disconnect', reason: 'token_expired', reconnect: false })
  for (const client of [far, goesOn]) {
    client.send({ command: 'ping' })
    assert.equal((await client.next()).type, 'pong')
  }
})

test('former keys still work, and the metrics count how often each key verified', async t => {
  const cable = await startCable(t, [
    '--jwt_previous_secrets=old-jwt',
    '--streams_previous_secrets=old-streams',
    '--broadcast_previous_keys=old-key',
    METRICS,
  ])
  const client = await cable.welcomed({ query: `?jid=${token({ ext: 'x' }, 'old-jwt')}` })
  const payload = turbo('a')
  await client.confirmed(payload)
  const { sign } = await import('./test-cable.ts')
  await client.confirmed(
    JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'old-streams') }),
  )
  assert.equal(
    (await cable.post({ stream: 'a', data: '1' }, { headers: { authorization: 'Bearer old-key' } })).status,
    201,
  )
  assert.equal((await client.next()).message, 1)

  const text = await (await fetch(cable.url.cable.replace('ws', 'http').replace('/cable', '/metrics'))).text()
  for (const line of [
    'kind="jwt",key="previous_1"} 1',
    'kind="streams",key="present"} 1',
    'kind="streams",key="previous_1"} 1',
    'kind="broadcast",key="previous_1"} 1',
  ]) {
    assert.ok(text.includes(`verified_total{${line}`), line)
  }
  for (const name of ['command_seconds_count', 'broadcast_seconds_count 1', 'event_loop_lag_seconds', 'pending_bytes'])
    assert.ok(text.includes(name), name)
  assert.ok(!text.includes(SECRET))
})

test('many rejections do not fill the log: three of a session are warnings, the others are debug lines', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  for (let n = 0; n < 10; n++) await client.subscribe(JSON.stringify({ channel: 'Unknown', n }))

  const levels = cable.lines.flatMap(line => /(WRN|DBG) subscription rejected/.exec(line)?.[1] ?? [])
  assert.deepEqual(levels, [...Array(3).fill('WRN'), ...Array(7).fill('DBG')])
})
