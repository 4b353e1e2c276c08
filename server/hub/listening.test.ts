import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { BrokerUnavailable } from '../broker.ts'
import { createListening } from './listening.ts'

const AWAY = new BrokerUnavailable('away')

function ears() {
  const clock = { ms: 0 }
  const timers = new Set<{ at: number; then: () => void }>()
  const orders: string[] = []
  const answers: { resolve: (offset: number) => void; reject: (error: Error) => void }[] = []
  const broker = {
    epoch: 'e',
    seen: 0,
    listen(stream: string) {
      orders.push(`listen ${stream}`)
      return new Promise<number>((resolve, reject) => void answers.push({ resolve, reject }))
    },
    unlisten: (stream: string) => void orders.push(`unlisten ${stream}`),
  }
  const listening = createListening({
    broker,
    later(ms, then) {
      const timer = { at: clock.ms + ms, then }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
  })
  const pass = async (ms: number) => {
    await setImmediate()
    clock.ms += ms
    for (const timer of timers) if (timer.at <= clock.ms && timers.delete(timer)) timer.then()
    await setImmediate()
  }
  return { ...listening, broker, orders, answers, timers, pass }
}

test('the first subscription of a stream begins to listen, and the last one to leave ends it after 5 s', async () => {
  const { enter, leave, orders, timers, pass } = ears()
  for (let i = 0; i < 3; i++) enter(['a'])
  for (let i = 0; i < 2; i++) leave(['a'])
  await pass(60_000)
  assert.deepEqual(orders, ['listen a'])

  leave(['a'])
  await pass(4_999)
  assert.deepEqual(orders, ['listen a'])
  await pass(1)
  assert.deepEqual(orders, ['listen a', 'unlisten a'])

  enter(['a'])
  assert.deepEqual([orders.length, timers.size], [3, 0], 'it listens anew')
})

test('a subscription that enters within 5 s keeps the stream', async () => {
  const { enter, leave, orders, pass } = ears()
  for (let i = 0; i < 10; i++) {
    enter(['a'])
    leave(['a'])
    await pass(3_000)
  }
  enter(['a'])
  await pass(60_000)

  assert.deepEqual(orders, ['listen a'])
})

test('now is the answer until the feed has passed it, and then where the feed is', async () => {
  const { enter, opening, now, answers, broker } = ears()
  enter(['a'])
  const opened = opening(['a'])
  answers[0]!.resolve(7)
  await opened

  assert.equal(opening(['a']), undefined)
  assert.deepEqual(now(['a']), { seen: 7, epoch: 'e' })
  broker.seen = 6
  assert.deepEqual(now(['a']), { seen: 7, epoch: 'e' })
  broker.seen = 9
  assert.equal(now(['a']), broker)
  Object.assign(broker, { seen: 2, epoch: 'new' })
  assert.equal(now(['a']), broker)
})

test('several streams open with the last of them, and their now is the latest of the answers', async () => {
  const { enter, opening, now, answers } = ears()
  enter(['a', 'b', 'c'])
  for (const [n, offset] of [7, 9, 8].entries()) {
    assert.ok(opening(['a', 'b', 'c']) instanceof Promise)
    answers[n]!.resolve(offset)
    await opening([['a', 'b', 'c'][n]!])
  }

  assert.equal(opening(['a', 'b', 'c']), undefined)
  assert.deepEqual(now(['a', 'b', 'c']), { seen: 9, epoch: 'e' })
})

test('while the broker is away the cable tries again each second, for as long as a subscription wants the stream', async () => {
  const { enter, leave, opening, now, answers, orders, pass } = ears()
  enter(['a'])
  const opened = opening(['a'])
  for (let i = 0; i < 3; i++) {
    answers[i]!.reject(AWAY)
    await pass(1_000)
  }
  assert.equal(orders.length, 4)
  answers[3]!.resolve(1)
  await opened
  assert.deepEqual(now(['a']), { seen: 1, epoch: 'e' })

  enter(['b'])
  leave(['b'])
  await pass(5_000)
  answers[4]!.reject(AWAY)
  await pass(60_000)
  assert.deepEqual(orders.slice(4), ['listen b', 'unlisten b'])
})

test('a bug of the broker reaches each subscription that waits for it, and nothing else', async () => {
  const { enter, opening, answers } = ears()
  enter(['a'])
  answers[0]!.reject(new RangeError('a bug'))
  await setImmediate()

  await assert.rejects(async () => opening(['a']), RangeError)
})

test('nothing is remembered for a broker whose feed has all streams', () => {
  const broker = { epoch: 'e', seen: 3 }
  const { enter, leave, now } = createListening({ broker, later: () => assert.fail('a timer') })
  enter(['a'])
  leave(['a'])

  assert.equal(now(['never entered']), broker)
})
