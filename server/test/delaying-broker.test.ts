/**
 * The cable with a broker that answers later, has a late feed, and may be away.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Client, Frame } from '../../testing/client.ts'
import type { SyncBroker } from '../brokers/memory.ts'
import { createDelayingBroker, type DelayingBroker } from './delaying-broker.ts'
import { startCable, turbo } from './test-cable.ts'

async function delayedCable(t: TestContext, seed: number) {
  let broker: DelayingBroker | undefined
  const wrapBroker = (memory: SyncBroker) => {
    broker = createDelayingBroker(memory, { seed, maxMs: 50 })
    return broker
  }
  const cable = await startCable(t, ['--noauth'], { wrapBroker })
  const publish = (...messages: string[]) =>
    cable.post(messages.map(message => ({ stream: 'a', data: JSON.stringify(message) })))
  return { cable, broker: broker!, publish }
}

const messagesOf = (frames: readonly Frame[]) => frames.filter(({ message }) => message !== undefined)

async function until(client: Client, last: string): Promise<Frame[]> {
  return messagesOf(await client.until(({ message }) => message === last))
}

const REFRESH = /action="refresh"/

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  test(`each page gets all messages after its position, in order and once: seed ${seed}`, async t => {
    const { cable, publish } = await delayedCable(t, seed)
    const pages: { client: Client; from: number }[] = []
    for (let n = 0; n < 40; n++) {
      if (n % 4 === 0) {
        const client = await cable.welcomed()
        client.send({ command: 'subscribe', identifier: turbo('a', { position: await cable.position() }) })
        pages.push({ client, from: n })
      }
      assert.equal((await publish(String(n))).status, 201)
    }

    for (const { client, from } of pages) {
      const got = (await until(client, '39')).map(({ message }) => Number(message))
      assert.deepEqual(
        got,
        Array.from({ length: 40 - from }, (_, n) => from + n),
      )
    }
  })
}

test('while the broker is away the cable answers 503 with retry-after, and publishes no item of a list', async t => {
  const { cable, broker, publish } = await delayedCable(t, 1)
  const position = await cable.position()
  broker.isAway = true

  const answer = await publish('one', 'two')
  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1'])
  assert.equal(((await answer.json()) as { error: string }).error, 'broker_unavailable')
  broker.isAway = false

  await cable.broadcast('a', 'three')
  const page = await cable.welcomed()
  await page.subscribe(turbo('a', { position }))
  // (The page gets a refresh if the machine took longer than a second up to here.)
  assert.match(String((await page.next()).message), /three|action="refresh"/)
})

test('once a broker is back, each page refreshes that listened to a stream of a failed publication', async t => {
  const { cable, broker, publish } = await delayedCable(t, 2)
  const position = await cable.position()
  const [concerned, other] = [await cable.welcomed(), await cable.welcomed()]
  await concerned.subscribe(turbo('a', { position }))
  await other.subscribe(turbo('b', { position }))
  await broker.settled()
  broker.isAway = true
  assert.equal((await publish('lost')).status, 503)
  broker.isAway = false

  assert.match(String((await concerned.next()).message), REFRESH)
  await cable.broadcast('b', 'still here')
  assert.equal((await other.next()).message, 'still here')

  const late = await cable.welcomed()
  await late.subscribe(turbo('a', { position }))
  assert.match(String((await late.next()).message), REFRESH)
})

test('a page does not refresh if the backend retries with the same id and the broker takes it', async t => {
  const { cable, broker } = await delayedCable(t, 3)
  const page = await cable.welcomed()
  await page.subscribe(turbo('a', { position: await cable.position() }))
  await broker.settled()
  const publication = { stream: 'a', data: '"kept"', meta: { id: 'one' } }
  broker.isAway = true
  assert.equal((await cable.post(publication)).status, 503)
  broker.isAway = false
  assert.equal((await cable.post(publication)).status, 201)

  assert.equal((await page.next()).message, 'kept')
  await broker.settled()
  await cable.broadcast('a', 'next')
  assert.equal((await page.next()).message, 'next')
})

test('a replay waits until the broker is back, and then has all messages', async t => {
  const { cable, broker, publish } = await delayedCable(t, 4)
  const position = await cable.position()
  await publish('one')
  await broker.settled()
  broker.isAway = true
  const page = await cable.welcomed()
  const confirmed = await page.subscribe(turbo('a', { position }))
  await broker.settled()
  broker.isAway = false

  assert.equal(confirmed.type, 'confirm_subscription')
  assert.equal((await page.next()).message, 'one')
})
