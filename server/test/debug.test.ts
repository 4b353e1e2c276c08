import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import { test } from 'node:test'
import type { Finding } from '../debug/finding.ts'
import type { Live } from '../debug/live.ts'
import { LEAK, SECRET, sign, startCable, type TestCable, token, turbo } from './test-cable.ts'

const DEV = ['--dev', '--noauth', '--sse']
const EVIL = '<img src=x onerror=alert(1)>'

const ask = (cable: TestCable, init: RequestInit = {}) =>
  fetch(`${cable.url.broadcast}/debug`, { headers: { authorization: `Bearer ${cable.key}` }, ...init })

async function live(cable: TestCable): Promise<Live> {
  const text = await (await ask(cable)).text()
  assert.doesNotMatch(text, LEAK)
  return JSON.parse(text)
}

const decode = async (cable: TestCable, body: string): Promise<Finding[]> =>
  (await (await ask(cable, { method: 'POST', body })).json()) as Finding[]

test('without --dev there is no route for debugging, and with it the route needs the key', async t => {
  const [plain, dev] = [await startCable(t, DEV.slice(1)), await startCable(t, DEV)]

  assert.equal((await ask(plain)).status, 404)
  assert.equal((await ask(plain, { method: 'POST', body: 'x' })).status, 404)
  for (const headers of [{}, { authorization: 'Bearer x' }])
    for (const method of ['GET', 'POST']) assert.equal((await ask(dev, { method, headers })).status, 401)
})

test('a web page cannot read a cable without a key', async t => {
  const cable = await startCable(t, [...DEV, '--broadcast_key=none', '--http_broadcast_port=0'])

  assert.equal((await ask(cable, { headers: {} })).status, 200)
  assert.equal((await ask(cable, { headers: { origin: 'https://evil.example' } })).status, 403)
  for (const host of ['evil.example', 'localhost.evil.example:8090', '127.0.0.1.evil.example', 'evil.example.'])
    assert.equal(await statusUnder(cable, host), 403, host)
  for (const host of ['localhost:8090', '127.0.0.1', '[::1]:8090', 'cable:8090', 'box.local'])
    assert.equal(await statusUnder(cable, host), 200, host)
})

/** The status for a name that resolves to this machine; fetch would send the Host of the URL. */
async function statusUnder(cable: TestCable, host: string): Promise<number | undefined> {
  const [answer] = await once(get(`${cable.url.broadcast}/debug`, { headers: { host } }), 'response')
  answer.resume()
  return answer.statusCode
}

test('the live list has sessions with their subscriptions, of both transports', async t => {
  const cable = await startCable(t, DEV)
  const identity = `{"name":"${EVIL}"}`
  const ada = await cable.welcomed({ query: `?jid=${token({ ext: identity })}` })
  await ada.confirmed(turbo('board/1', { position: await cable.position() }))
  const events = new AbortController()
  t.after(() => events.abort())
  const { status } = await fetch(
    `${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}?turbo_signed_stream_name=${encodeURIComponent(sign('board/2'))}`,
    { signal: events.signal },
  )
  assert.equal(status, 200)

  const { sessions, streams, position } = await live(cable)

  assert.match(position, /^\d+\/\w+$/)
  assert.equal(sessions.count, 2)
  const [reader, page] = sessions.newest
  assert.equal(page!.identity, identity)
  assert.equal(page!.sid, String(ada.welcome.sid).slice(0, 8))
  assert.equal(page!.protocol, 'actioncable-v1-json')
  assert.deepEqual(
    page!.subscriptions.map(({ streams, kind, state }) => [streams, kind, state]),
    [[['board/1'], 'turbo', 'live']],
  )
  assert.match(page!.subscriptions[0]!.position!, /^\d+\/\w+-\w+$/)
  assert.deepEqual(
    reader!.subscriptions.map(({ streams }) => streams),
    [['board/2']],
  )
  assert.deepEqual(
    streams.newest.map(({ stream, listeners }) => [stream, listeners]),
    [
      ['board/1', 1],
      ['board/2', 1],
    ],
  )
})

test('the live list has the last messages of each stream, and the probable name if no client listened', async t => {
  const cable = await startCable(t, DEV)
  await (await cable.welcomed()).confirmed(turbo('board/1'))
  for (let at = 0; at < 7; at++) await cable.broadcast('board/1', `message ${at}`)
  await cable.broadcast('bord/1', EVIL, { transient: true })

  const { streams } = await live(cable)

  const [missed, heard] = streams.newest
  assert.deepEqual([missed!.stream, missed!.listeners, missed!.similar], ['bord/1', 0, 'board/1'])
  assert.deepEqual(
    missed!.messages.map(({ message, isHeard, isTransient }) => [message, isHeard, isTransient]),
    [[JSON.stringify(EVIL), false, true]],
  )
  assert.deepEqual(
    heard!.messages.map(({ message, isHeard }) => [message, isHeard]),
    [6, 5, 4, 3, 2].map(at => [`"message ${at}"`, true]),
  )
})

test('the live list has refusals, the newest first, also those that the log does not show', async t => {
  const cable = await startCable(t, [...DEV, '--log_level=error'])
  const refused = await cable.connect({ query: `?jid=${token({ ext: '{}' }, 'other')}` })
  await refused.closed
  const client = await cable.welcomed()
  await client.subscribe(turbo('board/1').replace(/--.{8}/, '--00000000'))
  client.command('unsubscribe', 'nothing')
  await client.answers()

  const { refusals } = await live(cable)

  assert.deepEqual(
    refusals.map(({ code, sid }) => [code, sid?.length]),
    [
      ['not_subscribed', 8],
      ['stream_signature_mismatch', 8],
      ['token_invalid', undefined],
    ],
  )
})

test('what it keeps is bounded: streams, messages, refusals, and the length of each', async t => {
  const cable = await startCable(t, DEV)
  const client = await cable.welcomed()
  for (let at = 0; at < 150; at++) client.command('unsubscribe', `${at}`)
  await client.answers()
  for (let at = 0; at < 150; at++) await cable.broadcast(`${'s'.repeat(500)}${at}`, 'x'.repeat(10_000))
  for (let at = 0; at < 150; at++) await cable.broadcast(`${at}`, 'x'.repeat(10_000))

  const { streams, refusals } = await live(cable)

  assert.deepEqual([streams.newest.length, refusals.length], [100, 100])
  assert.deepEqual([streams.newest[0]!.stream, streams.newest[99]!.stream], ['149', '50'])
  assert.ok(JSON.stringify(streams).length < 100 * 5000)
})

test('a running cable decodes with its keys, its position and its messages', async t => {
  const cable = await startCable(t, DEV)
  const at = await cable.position()
  await cable.broadcast('board/1', '<turbo-stream action="remove" target="card_1"></turbo-stream>')
  const source = `<turbo-cable-stream-source id="a" data-position="${at}" channel="Turbo::StreamsChannel" signed-stream-name="${sign('board/1')}"></turbo-cable-stream-source>`

  const [name] = await decode(cable, sign('board/1'))
  const [position] = await decode(cable, '1/of-another-start')
  const [page] = await decode(cable, `<html><body>${source}</body></html>`)
  // A page that was made after the message does not have the removed card, and lacks nothing.
  const [later] = await decode(cable, `<html><body>${source.replace(at, await cable.position())}</body></html>`)
  const [secret] = await decode(cable, SECRET)

  assert.deepEqual(name!.facts[0], ['stream', 'board/1'])
  assert.deepEqual(
    position!.faults.map(({ code }) => code),
    ['gap_restarted'],
  )
  assert.ok(page!.faults.some(({ code, fix }) => code === 'message_target_missing' && fix.endsWith('(card_1)')))
  assert.ok(!later!.faults.some(({ code }) => code === 'message_target_missing'))
  assert.doesNotMatch(JSON.stringify(secret), LEAK)
  assert.deepEqual(await decode(cable, ''), [])
})
