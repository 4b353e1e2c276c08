import assert from 'node:assert/strict'
import { test } from 'node:test'
import { payloadsOf } from '../protocol/frame.ts'
import { createAskBack } from './ask-back.ts'
import type { Pace } from './pace.ts'
import type { Healable } from './patient.ts'

function ward({ resumable = true, isOff = false } = {}) {
  const timers = new Set<() => void>()
  const turns: { owner: string; job: () => boolean }[] = []
  const done: string[] = []
  const pace: Pace = {
    ask(owner, job) {
      const turn = { owner, job }
      turns.push(turn)
      return () => void turns.splice(turns.indexOf(turn), 1)
    },
    waiting: 0,
  }
  const askBack = createAskBack({
    pace: isOff ? undefined : pace,
    later(_, then) {
      timers.add(then)
      return () => void timers.delete(then)
    },
  })
  const session = {
    identity: 'ada',
    anonymous: false,
    resumable,
    connection: {
      send(frame: Buffer) {
        for (const payload of payloadsOf(frame)) done.push(JSON.parse(String(payload)).identifier)
      },
    },
    askBack: () => void done.push('disconnected'),
    fail: assert.ifError as (error: unknown) => void,
  }
  const gap = (identifier: string) => {
    const grant = { streams: ['a'], kind: 'data', events: false, position: undefined } as const
    const subscription: Healable = { identifier, grant, state: 'live', healing: false }
    askBack.missed(session, subscription)
    return subscription as { -readonly [key in keyof Healable]: Healable[key] }
  }
  const run = () => {
    for (const then of timers) then()
    timers.clear()
    return turns.splice(0).map(({ job }) => job())
  }
  return { ...askBack, session, gap, run, turns, timers, done }
}

test('a client with many gaps gets one turn, which names each of them and disconnects it once', () => {
  const { gap, run, done } = ward()
  for (const identifier of ['a', 'b', 'c']) assert.equal(gap(identifier).healing, true)

  assert.deepEqual(run(), [true])
  assert.deepEqual(done, ['a', 'b', 'c', 'disconnected'])
})

test('a client that left all its subscriptions with a gap is not disconnected', () => {
  const { gap, run, done } = ward()
  gap('a').state = 'over'

  assert.deepEqual(run(), [false])
  assert.deepEqual(done, [])
})

test('a session that has ended leaves neither a turn nor a timer behind', () => {
  for (const isPaced of [false, true]) {
    const { gap, left, session, timers, turns } = ward()
    gap('a')
    if (isPaced) for (const then of timers) timers.delete(then) && then()
    left(session)

    assert.deepEqual([turns.length, timers.size], [0, 0])
  }
})

test('a client that asks for no history is not disconnected, and its session is resumed as it was', () => {
  const { gap, timers } = ward({ resumable: false })

  assert.deepEqual([gap('a').healing, timers.size], [false, 0])
})

test('with --heal=off a client is not disconnected, but does not resume a subscription with a gap', () => {
  const { gap, timers } = ward({ isOff: true })

  assert.deepEqual([gap('a').healing, timers.size], [true, 0])
})
