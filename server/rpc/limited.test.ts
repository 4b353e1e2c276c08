/** Limits, repetitions and the circuit breaker, with a clock of the test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Call, type Controller, type DisconnectResponse, RpcFailed, type RpcFailure } from './controller.ts'
import { createLimited } from './limited.ts'

const ENV = { url: '', headers: {}, cstate: {}, istate: {} }
const GONE = { identifiers: '', subscriptions: [], env: ENV }
const OK: DisconnectResponse = { status: 1, error_msg: '' }

/** A transport whose answers the test gives, and a clock that it moves. */
function start(settings: object = {}) {
  let now = 0
  const timers: { at: number; then: () => void }[] = []
  const attempts: (PromiseWithResolvers<DisconnectResponse> & { call: Call; at: number })[] = []
  const attempt = (_: unknown, call: Call) => {
    const answer = Object.assign(Promise.withResolvers<DisconnectResponse>(), { call, at: now })
    attempts.push(answer)
    call.signal.addEventListener('abort', () => answer.reject(new RpcFailed('canceled')))
    return answer.promise as Promise<never>
  }
  const transport: Controller = { connect: attempt, command: attempt, disconnect: attempt, close() {} }
  const limited = createLimited(
    transport,
    { concurrency: 2, maxWaiting: 3, attemptMs: 1000, ...settings },
    {
      monotonic: () => now,
      random: () => 1,
      later(ms, then) {
        const timer = { at: now + ms, then }
        timers.push(timer)
        return () => void timers.splice(timers.indexOf(timer) >>> 0, 1)
      },
    },
  )
  const pass = (ms: number) => {
    now += ms
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers.splice(timers.indexOf(timer), 1)
      timer.then()
    }
  }
  /** Fails each attempt so, for so long. */
  const failing = async (code: RpcFailure, ms: number) => {
    for (const end = now + ms; now < end; pass(10)) {
      await setImmediate()
      for (const { reject } of attempts) reject(new RpcFailed(code))
      await setImmediate()
    }
  }
  return { limited, attempts, pass, failing }
}

const options = (more: object = {}): Call => ({
  ...{ sid: '', signal: new AbortController().signal, timeoutMs: 3000, ...more },
})
const code = (error: unknown) => (error as RpcFailed).code

test('so many calls run at once; further ones wait in their order, and more than may wait are refused', async () => {
  const { limited, attempts } = start()
  const calls = Array.from({ length: 6 }, (_, n) => limited.connect({ env: ENV }, options({ sid: `${n}` })).catch(code))
  await setImmediate()

  assert.deepEqual([attempts.length, limited.counts.pending], [2, 3])
  assert.equal(await calls[5], 'exhausted')
  attempts[1]!.resolve(OK)
  await setImmediate()
  assert.deepEqual(
    attempts.map(({ call }) => call.sid),
    ['0', '1', '2'],
  )
  assert.deepEqual([limited.counts.calls, limited.counts.refused, limited.counts.pending], [6, 1, 2])
})

test('an unsubscribe and a disconnect are never refused', async () => {
  const { limited, attempts } = start({ maxWaiting: 0 })
  const message = { identifier: '', connection_identifiers: '', data: '', env: ENV }
  const calls = [
    ...[1, 2].map(() => limited.command({ ...message, command: 'subscribe' }, options())),
    limited.command({ ...message, command: 'unsubscribe' }, options()),
    limited.disconnect(GONE, options()),
  ]
  await assert.rejects(limited.command({ ...message, command: 'message' }, options()), { code: 'exhausted' })
  await setImmediate()
  for (let n = 0; n < 4; n++) {
    attempts[n]!.resolve(OK)
    await setImmediate()
  }
  await Promise.all(calls)
})

for (const [failure, times] of [
  ['unavailable', [0, 100, 300, 700, 1200, 1700, 2200, 2700]],
  ['exhausted', [0, 10, 30, 70, 150, 310, 630, 1130, 1630, 2130, 2630]],
  ['timed_out', [0]],
  ['unauthorized', [0]],
  ['refused', [0]],
  ['failed', [0]],
  ['malformed', [0]],
] as const) {
  test(`a call that fails with ${failure} has ${times.length} attempts`, async () => {
    const { limited, attempts, failing } = start()
    const calling = limited.disconnect(GONE, options()).catch(code)
    await failing(failure, 4000)

    assert.equal(await calling, failure)
    assert.deepEqual(
      attempts.map(({ at }) => at),
      times,
    )
    const { errors, retries } = limited.counts
    assert.deepEqual([errors, retries], [1, times.length - 1])
  })
}

test('the time of a call begins with its first attempt, and an attempt has what is left of it', async () => {
  const { limited, attempts, pass, failing } = start({ concurrency: 1, attemptMs: 2000 })
  const [first, second] = [limited.disconnect(GONE, options()), limited.disconnect(GONE, options())]
  await setImmediate()
  pass(5000)
  attempts[0]!.resolve(OK)
  await first
  await failing('unavailable', 1500)
  pass(200)
  await setImmediate()

  assert.deepEqual(
    attempts.map(({ call }) => call.timeoutMs),
    [2000, 2000, 2000, 2000, 2000, 1800, 1300],
  )
  attempts.at(-1)!.resolve(OK)
  await second
})

test('a call that its caller aborts ends in the queue, in an attempt, and in a pause', async () => {
  const { limited, attempts, pass, failing } = start({ concurrency: 1 })
  for (const where of ['queue', 'attempt', 'pause'] as const) {
    const [occupied, aborter] = [new AbortController(), new AbortController()]
    const other = where === 'queue' ? limited.disconnect(GONE, options({ signal: occupied.signal })) : undefined
    const calling = limited.disconnect(GONE, options({ signal: aborter.signal })).catch(code)
    await setImmediate()
    if (where === 'pause') await failing('unavailable', 10)
    const before = attempts.length
    aborter.abort()

    assert.equal(await calling, 'canceled', where)
    occupied.abort()
    await other?.catch(code)
    pass(1000)
    await setImmediate()
    assert.equal(attempts.length, before, where)
  }
  assert.deepEqual([limited.counts.canceled, limited.counts.pending], [4, 0])
})

test('while no attempt gets an answer, there is one a second; the first answer lets all through', async () => {
  const { limited, attempts, pass, failing } = start({ concurrency: 100, maxWaiting: 100 })
  const calls = Array.from({ length: 20 }, () => limited.disconnect(GONE, options({ timeoutMs: 60_000 })))
  await setImmediate()
  assert.equal(attempts.length, 20)
  await failing('unavailable', 5000)
  assert.ok(attempts.length <= 26, `${attempts.length} attempts`)

  while (attempts.length < 40) {
    pass(100)
    await setImmediate()
    for (const { resolve } of attempts) resolve(OK)
    await setImmediate()
  }
  assert.equal((await Promise.all(calls)).length, 20)
})
