/** The app's permissions, with an app and a clock that the test moves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Answer, AnswerUseless, type AskApp, type Question } from './ask-app.ts'
import { createAuthority, type Permit } from './authority.ts'

const ROOM = { identity: '{"user":7}', stream: 'room/1', headers: {} }
const ALLOWED: Answer = { allowed: true, until: undefined }
const REFUSED: Answer = { allowed: false }
const until = (seconds: number): Answer => ({ allowed: true, until: seconds })

/** A clock at Unix time 1000 s; `pass` runs what is due, and what follows from it. */
function clockwork() {
  const timers = new Set<{ at: number; then: () => void }>()
  const clock = { ms: 1_000_000 }
  return {
    timers,
    wall: () => clock.ms,
    later(ms: number, then: () => void) {
      const timer = { at: clock.ms + ms, then }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async pass(seconds: number) {
      const end = clock.ms + seconds * 1000
      for (;;) {
        await setImmediate()
        const [next] = [...timers].sort((a, b) => a.at - b.at)
        if (next === undefined || next.at > end) break
        timers.delete(next)
        clock.ms = next.at
        next.then()
      }
      clock.ms = end
    },
  }
}

function start({ concurrency = 50 } = {}) {
  const { wall, later, pass, timers } = clockwork()
  const asked: (Question & PromiseWithResolvers<Answer> & { signal: AbortSignal })[] = []
  const askApp: AskApp = (question, signal) => {
    const answer = Promise.withResolvers<Answer>()
    signal.addEventListener('abort', () => answer.reject(signal.reason))
    asked.push({ ...question, ...answer, signal })
    return answer.promise
  }
  const warned: unknown[] = []
  const metrics = { authorize_call_total: 0, authorize_error_total: 0, authorize_retries_total: 0 }
  const log = { warn: (about: unknown) => void warned.push(about) }
  const created = createAuthority({ askApp, concurrency, wall, monotonic: wall, later, random: () => 0, metrics, log })
  const authority = {
    ...created,
    permit: (question: Question, caller = { ended: false }, waitedMs = 0) => created.permit(question, caller, waitedMs),
    get pending() {
      return created.pending
    },
  }
  const ended: string[] = []
  const hold = (permit: Permit, name = '') => permit.hold({ disconnect: code => void ended.push(name + code) })
  /** Whether the app has to be asked. */
  const asks = (question: Question) => {
    const permit = authority.permit(question)
    if (permit instanceof Promise) permit.catch(() => {})
    return permit instanceof Promise
  }
  return { authority, asks, asked, warned, metrics, ended, hold, pass, timers }
}

test('an answer permits or refuses one subscription, and the next one is a question again', async () => {
  const { authority, asks, asked } = start()
  const [first, second] = [authority.permit(ROOM), authority.permit({ ...ROOM, stream: 'room/2' })]
  await setImmediate()
  asked[0]!.resolve(ALLOWED)
  asked[1]!.resolve(REFUSED)

  await first
  await assert.rejects(async () => await second, { code: 'stream_refused' })
  asks(ROOM)
  await setImmediate()
  assert.deepEqual(
    asked.map(({ stream }) => stream),
    ['room/1', 'room/2', 'room/1'],
  )
  authority.stop()
})

test('equal questions at the same time are one, and different identities have their own', async () => {
  const { authority, asked } = start()
  const all = [ROOM, ROOM, { ...ROOM, identity: 'bob' }].map(question => authority.permit(question))
  await setImmediate()
  assert.equal(asked.length, 2)
  for (const { resolve } of asked) resolve(ALLOWED)

  await Promise.all(all)
})

test('a permission that ends at a time counts for every subscription of its identity until then', async () => {
  const { authority, asks, asked, pass } = start()
  const first = authority.permit(ROOM)
  await setImmediate()
  asked[0]!.resolve(until(1060))
  await first
  await pass(59)

  assert.deepEqual([asks(ROOM), asks({ ...ROOM, identity: 'bob' })], [false, true])
  await pass(1)
  assert.equal(asks(ROOM), true)
  authority.stop()
})

test('an app that fails is asked again until it answers', async () => {
  const { authority, asked, metrics, warned, pass } = start()
  const permit = authority.permit(ROOM)
  await setImmediate()
  for (const at of [0, 1, 2]) {
    asked[at]!.reject(new Error(`status 50${at}`))
    await pass(1)
  }
  asked[3]!.resolve(ALLOWED)

  await permit
  assert.deepEqual(metrics, { authorize_call_total: 4, authorize_error_total: 3, authorize_retries_total: 3 })
  assert.deepEqual(warned[1], { code: 'subscribe_unavailable', reason: 'status 501' })
  assert.equal(authority.pending, 0)
})

test('an app that does not answer for 8 s makes the client come again, and is not asked any more', async () => {
  const { authority, asked, pass, timers } = start()
  const permit = authority.permit(ROOM)
  assert.ok(permit instanceof Promise)
  const refused = assert.rejects(permit, { name: 'SessionRefused', code: 'subscribe_unavailable', reconnect: true })
  await pass(7.9)
  assert.ok(asked.length > 1, 'each attempt has a time')
  assert.equal(authority.pending, 1)
  await pass(0.1)

  await refused
  assert.ok(asked.every(({ signal }) => signal.aborted))
  assert.equal(authority.pending, 0)
  assert.equal(timers.size, 0)
})

test('a client that waited for earlier answers of its session waits so much less for this one', async () => {
  const { authority, pass } = start()
  const refused = assert.rejects(async () => await authority.permit(ROOM, { ended: false }, 7000), {
    code: 'subscribe_unavailable',
  })
  await pass(1)

  await refused
})

test('a question whose clients have all gone is not asked again', async () => {
  const { authority, asked, pass } = start()
  const [one, another] = [{ ended: false }, { ended: false }]
  const permits = [one, another].map(caller => authority.permit(ROOM, caller))
  const refused = permits.map(permit => assert.rejects(async () => await permit, { code: 'subscribe_unavailable' }))
  await setImmediate()
  one.ended = true
  asked[0]!.reject(new Error('status 502'))
  await pass(1)
  assert.equal(asked.length, 2)
  another.ended = true
  asked[1]!.reject(new Error('status 502'))
  await pass(1)

  assert.equal(asked.length, 2)
  await Promise.all(refused)
})

test('the app gets a limited number of questions at once, and a question behind too many others fails at once', async () => {
  const { authority, asked } = start({ concurrency: 2 })
  const permits = Array.from({ length: 403 }, (_, n) => authority.permit({ ...ROOM, stream: `room/${n}` }))
  const last = assert.rejects(async () => await permits.pop(), { code: 'subscribe_unavailable' })
  await last
  assert.equal(asked.length, 2)
  for (let at = 0; at < 402; at++) {
    asked[at]!.resolve(ALLOWED)
    await setImmediate()
    assert.ok(asked.length <= at + 3)
  }

  assert.equal((await Promise.all(permits)).length, 402)
})

test('the cable asks an app that is away one question at a time; the first answer lets all through', async () => {
  const { authority, asked, pass } = start({ concurrency: 100 })
  const permits = Array.from({ length: 20 }, (_, n) => authority.permit({ ...ROOM, stream: `room/${n}` }))
  const answering = Promise.all(permits)
  await setImmediate()
  assert.equal(asked.length, 20)
  for (const at of [0, 1, 2, 3, 4, 5]) {
    for (const { reject } of asked) reject(new TypeError('fetch failed'))
    await pass(0.5)
    assert.ok(asked.length <= 21 + at, `${asked.length} attempts`)
  }
  for (const { resolve } of asked) resolve(ALLOWED)
  for (let n = 0; n < 6; n++) {
    await pass(0.5)
    for (const { resolve } of asked) resolve(ALLOWED)
  }

  assert.equal((await answering).length, 20)
})

test('an app that answers with an error is not away, and the cable asks it each question', async () => {
  const { authority, asked, pass } = start({ concurrency: 100 })
  const permits = Array.from({ length: 20 }, (_, n) => authority.permit({ ...ROOM, stream: `room/${n}` }))
  const answering = Promise.all(permits)
  await setImmediate()
  for (const { reject } of asked) reject(new AnswerUseless('status 500'))
  await pass(1)
  assert.equal(asked.length, 40)
  for (const { resolve } of asked) resolve(ALLOWED)

  await answering
})

test('some seconds before the end the app is asked again, and its answer counts for all open subscriptions', async () => {
  const { authority, asks, asked, ended, hold, pass } = start()
  const first = authority.permit(ROOM)
  await setImmediate()
  asked[0]!.resolve(until(1060))
  hold(await first, 'one: ')
  hold(await authority.permit(ROOM), 'another: ')
  await pass(50)
  assert.equal(asked.length, 1)
  await pass(5)
  assert.equal(asked.length, 2)
  asked[1]!.resolve(until(1120))
  await pass(55)
  assert.deepEqual([asked.length, ended], [2, []])
  await pass(5)
  asked[2]!.resolve(REFUSED)
  await pass(0)

  assert.deepEqual(ended, ['one: permission_ended', 'another: permission_ended'])
  assert.ok(asks(ROOM), 'the refusal ended what the cable remembered')
  authority.stop()
})

for (const [about, answer] of [
  ['does not answer', undefined],
  ['gives the same time again', until(1060)],
] as const)
  test(`a subscription ends at the time of its permission if the app ${about}`, async () => {
    const { authority, asked, ended, hold, pass } = start()
    const first = authority.permit(ROOM)
    await setImmediate()
    asked[0]!.resolve(until(1060))
    hold(await first)
    await pass(55)
    if (answer !== undefined) asked[1]!.resolve(answer)
    await pass(4.9)
    assert.deepEqual(ended, [])
    await pass(0.1)

    assert.deepEqual(ended, ['permission_ended'])
    if (answer !== undefined) assert.equal(asked.length, 2)
  })

test('a permission without an end stays as long as its subscription', async () => {
  const { authority, asked, ended, hold, pass, timers } = start()
  const first = authority.permit(ROOM)
  await setImmediate()
  asked[0]!.resolve(ALLOWED)
  hold(await first)
  await pass(100_000)

  assert.deepEqual([asked.length, ended, timers.size], [1, [], 0])
})

test('once no subscription is open, the app is not asked again', async () => {
  const { authority, asked, hold, pass, timers } = start()
  const first = authority.permit(ROOM)
  await setImmediate()
  asked[0]!.resolve(until(1060))
  const permits = [await first, await authority.permit(ROOM)]
  for (const permit of permits) hold(permit)
  for (const permit of permits) permit.release()
  await pass(60)

  assert.deepEqual([asked.length, timers.size], [1, 0])
})

test('a remote disconnect drops what the app said about the identity, and what it is just saying', async () => {
  const { authority, asks, asked } = start()
  const bob = { ...ROOM, identity: 'bob' }
  const [first, ofBob] = [authority.permit(ROOM), authority.permit(bob)]
  await setImmediate()
  for (const { resolve } of asked) resolve(until(2000))
  await Promise.all([first, ofBob])
  const late = authority.permit({ ...ROOM, stream: 'room/2' })
  assert.ok(late instanceof Promise)
  const isVoid = assert.rejects(late, { code: 'subscribe_unavailable' })
  await setImmediate()
  authority.forget(ROOM.identity)
  asked[2]!.resolve(until(2000))
  await isVoid

  assert.deepEqual([asks(ROOM), asks({ ...ROOM, stream: 'room/2' }), asks(bob)], [true, true, false])
  authority.stop()
})
