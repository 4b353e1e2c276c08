/**
 * A gap of a subscription without a page: the client comes back, and learns that it missed messages.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { type DelayedCable, delayedCable, freshMemory } from './delayed-cable.ts'
import { counted, METRICS, open, turbo } from './test-cable.ts'

const GAPS: readonly (readonly [string, (delayed: DelayedCable) => unknown])[] = [
  ['a message that the broker did not take', ({ broker }) => broker.forget([{ stream: 'a' }])],
  ['a new epoch', ({ broker }) => broker.restart(freshMemory('fresh'))],
]
const DISCONNECT = { type: 'disconnect', reason: 'messages_missed', reconnect: true }

/** A client that has got a message, and its frame. */
async function reader(t: TestContext, flags: string[] = [], protocols?: string) {
  const delayed = await delayedCable(t, 1, [METRICS, ...flags])
  const client = await delayed.cable.welcomed(protocols === undefined ? {} : { protocols })
  await client.confirmed(open('a'))
  await delayed.broker.settled()
  await delayed.cable.broadcast('a', 'one')
  return { ...delayed, client, last: await client.next() }
}

/** What the client says on its return. */
const ask = (client: Client, { epoch, offset }: Frame) =>
  client.command('subscribe', open('a'), { history: { streams: { a: { epoch, offset } } } })

for (const [about, make] of GAPS) {
  test(`after ${about} the cable asks an extended client to come back once, and rejects its question for history`, async t => {
    const { cable, broker, client, last, ...delayed } = await reader(t, [], EXTENDED)
    await make({ cable, broker, ...delayed })

    assert.deepEqual(await client.next(), { type: 'reject_history', identifier: open('a') })
    assert.deepEqual(await client.next(), DISCONNECT)
    const again = await cable.welcomed({ protocols: EXTENDED, query: `?sid=${client.welcome.sid}` })
    assert.equal(again.welcome.restored, undefined, 'the session is not resumed')
    ask(again, last)
    assert.deepEqual(
      (await again.history()).map(({ type }) => type),
      ['confirm_subscription', 'reject_history'],
    )

    await cable.broadcast('a', 'two')
    assert.equal((await again.next()).message, 'two')
    assert.equal(await counted(cable, 'refusals_total{code="messages_missed"}'), 1)
  })

  test(`after ${about} a client of the base protocol stays, because it could learn nothing`, async t => {
    const { cable, broker, client, ...delayed } = await reader(t)
    await make({ cable, broker, ...delayed })
    await broker.settled()
    await cable.broadcast('a', 'two')

    assert.equal((await client.next()).message, 'two')
    assert.equal(await counted(cable, 'refusals_total{code="messages_missed"}'), 0)
  })
}

for (const [about, lost, restored] of [
  ['one stream', [{ stream: 'a' }], [open('other')]],
  ['all streams', 'all', []],
] as const) {
  test(`a client that is lost before its turn does not resume a subscription with a gap: ${about}`, async t => {
    const { cable, broker, client, last } = await reader(t, ['--heal_delay=600'], EXTENDED)
    await client.confirmed(open('other'))
    await broker.settled()
    await broker.forget(lost)
    await broker.settled()
    await client.drop()

    const again = await cable.welcomed({ protocols: EXTENDED, query: `?sid=${client.welcome.sid}` })
    assert.deepEqual(again.welcome.restored_ids, restored)
    ask(again, last)
    assert.equal((await again.history()).at(-1)?.type, 'reject_history')
  })
}

test('a client that does not ask for history after it resumed is asked to come back', async t => {
  const { cable, broker, client } = await reader(t, [], EXTENDED)
  await client.drop()
  await broker.forget([{ stream: 'a' }])

  const again = await cable.welcomed({ protocols: EXTENDED, query: `?sid=${client.welcome.sid}` })
  assert.deepEqual(again.welcome.restored_ids, [open('a')])
  again.send({ command: 'pong' })
  assert.deepEqual(
    [await again.next(), await again.next()],
    [{ type: 'reject_history', identifier: open('a') }, DISCONNECT],
  )
})

test('a client that subscribes with a gap stays connected, whether it asks for history or not', async t => {
  const { cable, last } = await reader(t, [], EXTENDED)
  const client = await cable.welcomed({ protocols: EXTENDED })
  client.command('subscribe', open('a'), { history: { streams: { a: { epoch: 'gone', offset: 1 } } } })
  assert.equal((await client.history()).at(-1)?.type, 'reject_history')
  await client.confirmed(JSON.stringify({ channel: '$pubsub', stream_name: 'a', position: '1/gone' }))
  await cable.broadcast('a', 'two')

  const messages = [await client.next(), await client.next()].map(({ message }) => message)
  assert.deepEqual(messages, ['two', 'two'])
  assert.equal(typeof last.offset, 'number')
})

test('the pages of a client that is asked to come back refresh first', async t => {
  const { broker, client } = await reader(t, [], EXTENDED)
  await client.confirmed(turbo('a'))
  await broker.settled()
  await broker.forget([{ stream: 'a' }])

  assert.match(String((await client.next()).message), /action="refresh"/)
  assert.deepEqual([(await client.next()).type, await client.next()], ['reject_history', DISCONNECT])
})
