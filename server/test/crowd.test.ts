/**
 * One client makes a crowd, of sessions or of messages. Other clients notice little of it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WebSocket } from 'ws'
import type { Client } from '../../testing/client.ts'
import { sign, startCable, type TestCable, token, turbo } from './test-cable.ts'

const FLAGS = ['--metrics_http=/metrics', '--max_unauthenticated=1000']
const WHISPER_SIZE = 16 << 10
/** A command rate too high to matter, so that only the bounds under test apply. */
const FAST = ['--max_command_burst=1000000', '--max_command_rate=1000000']

async function metric(cable: TestCable, name: string): Promise<number> {
  const url = cable.url.cable.replace('ws', 'http').replace('/cable', '/metrics')
  const text = await (await fetch(url)).text()
  const exactly = name.replace(/[{}]/g, '\\$&')
  return Number(new RegExp(`^anycable_go_${exactly} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

const jid = (identity: string) => `?jid=${token({ ext: JSON.stringify({ name: identity }) })}`
/** The identifier of a page with a position of another epoch, as after a restart of the cable. */
const outOfDate = () => turbo('board', { position: '1/zzzz' })

async function crowdOf(cable: TestCable, sessions: number, query: string): Promise<Client[]> {
  const crowd = await Promise.all(Array.from({ length: sessions }, () => cable.welcomed({ query })))
  await Promise.all(crowd.map(client => client.subscribe(outOfDate())))
  return crowd
}

test('a client with 300 sessions that want a refresh delays the refresh of another by one turn', async t => {
  const cable = await startCable(t, [...FLAGS, '--heal_rate=5'])
  let mallorys = 0
  const crowd = await crowdOf(cable, 300, jid('mallory'))
  for (const { ws } of crowd) ws.on('message', data => (mallorys += String(data).includes('refresh') ? 1 : 0))
  const ada = await cable.welcomed({ query: jid('ada') })
  await ada.subscribe(outOfDate())
  const before = mallorys

  assert.match(String((await ada.next()).message), /action="refresh"/)
  assert.ok(mallorys - before <= 3, `${mallorys - before} before`)
  assert.ok((await metric(cable, 'refreshes_waiting_num')) > 200)
})

test('an ended session takes its refresh back', async t => {
  const cable = await startCable(t, [...FLAGS, '--heal_rate=1'])
  for (let round = 0; round < 3; round++) {
    const crowd = await crowdOf(cable, 100, jid('mallory'))
    assert.ok((await metric(cable, 'refreshes_waiting_num')) >= 90)
    for (const { ws } of crowd) ws.terminate()
    await cable.until(({ sessions }) => sessions === 0)

    assert.equal(await metric(cable, 'refreshes_waiting_num'), 0)
  }
})

test('the cable refreshes a page once for all of its streams', async t => {
  const cable = await startCable(t, [...FLAGS, '--noauth', '--heal_rate=4'])
  await crowdOf(cable, 2, '')
  const page = await cable.welcomed()
  const streams = Array.from({ length: 60 }, (_, i) => turbo(`list/${i}`, { position: '1/zzzz' }))
  for (const identifier of streams) page.send({ command: 'subscribe', identifier })
  const frames = await page.until(({ message }) => String(message).includes('refresh'))
  while (frames.length < 120) frames.push(await page.next())

  assert.deepEqual(
    frames.slice(60).map(({ identifier }) => identifier),
    streams,
  )
  assert.equal(await metric(cable, 'refreshes_total'), 3)
})

test('a client that whispers much at once, without a rate limit, disconnects no reader that reads', async t => {
  const cable = await startCable(t, [
    ...FLAGS,
    ...FAST,
    '--noauth',
    '--streams_whisper',
    `--max_whisper_size=${WHISPER_SIZE}`,
  ])
  const room = JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('room') })
  const readers = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const reader = await cable.welcomed()
      await reader.subscribe(room)
      return { reader, heard: counting(reader.ws) }
    }),
  )
  const mallory = await cable.welcomed()
  await mallory.subscribe(room)
  const whisper = (data: string) => mallory.send({ command: 'whisper', identifier: room, data })
  for (let i = 0; i < 300; i++) whisper('x'.repeat(60_000))
  for (let i = 0; i < 300; i++) whisper('x'.repeat(WHISPER_SIZE - 2))
  whisper('end')

  const closed = Promise.race(readers.map(({ reader }) => reader.closed))
  const heard = await Promise.race([Promise.all(readers.map(({ heard }) => heard)), closed])
  assert.deepEqual(
    heard,
    readers.map(() => 301),
  )
  assert.equal(await metric(cable, 'disconnected_slow_clients_total'), 0)
  assert.equal(await metric(cable, 'refusals_total{code="whisper_too_large"}'), 300)
})

/** Counts messages until the last one, without keeping them. */
const counting = (ws: WebSocket): Promise<number> =>
  new Promise(resolve => {
    let count = 0
    ws.removeAllListeners('message')
    ws.on('message', data => {
      const text = String(data)
      if (text.includes('"message"') && !text.includes('"ping"')) count++
      if (text.includes('"end"')) resolve(count)
    })
  })
