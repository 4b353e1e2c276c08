/**
 * A broker that is away: the cable says so to backends and balancers, and counts the messages that it drops.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { delayedCable } from './delayed-cable.ts'
import { counted, METRICS, open, type TestCable } from './test-cable.ts'

const ready = async (cable: TestCable) => {
  const answer = await fetch(cable.url.cable.replace('ws', 'http').replace('/cable', '/ready'))
  return [answer.status, await answer.text()]
}

const authorized = (key: string, body?: object): RequestInit => ({
  headers: { authorization: `Bearer ${key}` },
  ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
})

for (const [about, ask] of [
  ['a broadcast', cable => cable.post({ stream: 'a', data: '1' })],
  ['a list', cable => cable.post([{ stream: 'a', data: '1' }])],
  ['a disconnect', cable => cable.post({ command: 'disconnect', payload: { identifier: 'ada' } })],
  ['a position', ({ url, key }) => fetch(`${url.broadcast}/position?stream=a`, authorized(key))],
  [
    'a publication by the API',
    ({ url, apiKey }) => fetch(`${url.api}/publish`, authorized(apiKey, { stream: 'a', data: '1' })),
  ],
  [
    'a disconnect by the API',
    ({ url, apiKey }) => fetch(`${url.api}/disconnect`, authorized(apiKey, { identifier: 'ada' })),
  ],
] as [string, (cable: TestCable) => Promise<Response>][]) {
  test(`while the broker is away the cable answers ${about} with 503 and when to try again`, async t => {
    const { cable, broker } = await delayedCable(t, 1)
    broker.isAway = true
    const answer = await ask(cable)
    const { error } = (await answer.json()) as { error: string }
    assert.deepEqual([answer.status, answer.headers.get('retry-after'), error], [503, '1', 'broker_unavailable'])

    broker.isAway = false
    assert.equal(Math.floor((await ask(cable)).status / 100), 2)
  })
}

test('/ready and a gauge say that the broker is away, and that it is back', async t => {
  const { cable, broker } = await delayedCable(t, 1, [METRICS])
  const state = async () => [...(await ready(cable)), await counted(cable, 'broker_well')]

  assert.deepEqual(await state(), [200, 'ready', 1])
  broker.isAway = true
  assert.deepEqual(await state(), [503, 'the broker is away', 0])
  broker.isAway = false
  assert.deepEqual(await state(), [200, 'ready', 1])
})

test('while the broker is away whispers and presence events are dropped and counted, and the session goes on', async t => {
  const { cable, broker } = await delayedCable(t, 1, [METRICS])
  const [speaker, reader] = [await cable.welcomed(), await cable.welcomed()]
  for (const client of [speaker, reader]) await client.confirmed(open('a'))
  await broker.settled()
  broker.isAway = true
  speaker.command('whisper', open('a'), { data: 'dropped' })
  speaker.command('join', open('a'), { presence: { id: 'ada' } })
  assert.deepEqual(await speaker.answers(), [])
  broker.isAway = false
  speaker.command('whisper', open('a'), { data: 'heard' })

  assert.equal((await reader.next()).message, 'heard')
  assert.equal(await counted(cable, 'live_msg_dropped_total'), 2)
})
