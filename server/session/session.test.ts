/**
 * A session whose connection gives up in the middle of a command: nothing more may be done for it, or it would never end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMemoryBroker } from '../brokers/memory.ts'
import type { StreamGrant } from '../channels/channels.ts'
import { createMemoryHistory, type MemoryHistory } from '../history/memory.ts'
import type { Connection } from '../hub/connection.ts'
import { createListening } from '../hub/listening.ts'
import type { Presence } from '../presence/presence.ts'
import { payloadsOf } from '../protocol/frame.ts'
import { Session } from './session.ts'

const GRANT: StreamGrant = {
  streams: ['room'],
  kind: 'data',
  whisper: 'room',
  presence: 'room',
  events: false,
  position: undefined,
}
const nothing = () => {}

/** A session that is too slow as soon as it is sent a frame that matches. */
function start(pattern: RegExp, { history }: { history: MemoryHistory | undefined }) {
  const done: string[] = []
  const connection: Connection & { isOpen: boolean } = {
    protocol: '',
    session: undefined,
    isOpen: true,
    send(frame) {
      if ([...payloadsOf(frame)].some(payload => pattern.test(String(payload)))) session.disconnect('too_slow')
    },
    deliver: () => true,
    ping: nothing,
    congested: () => false,
    pending: () => 0,
    hold: nothing,
    transmit: nothing,
    close: code => done.push(`close ${code}`),
  }
  const presence: Presence = {
    join() {
      done.push('join')
      return 'joined'
    },
    leave: nothing,
    lost: () => void done.push('lost'),
    present: () => ({ total: 0, records: [] }),
  }
  const session = new Session(
    { sid: 'sid', identity: 'ada', anonymous: false, resumable: false, connection },
    {
      resolve: () => GRANT,
      app: undefined,
      hub: {
        subscribe: () => done.push('listen'),
        unsubscribe: () => done.push('leave'),
        addWaiter: nothing,
        removeWaiter: nothing,
      },
      heal: { fate: () => undefined, missed: () => done.push('missed'), left: nothing },
      later: () => nothing,
      monotonic: () => 0,
      failed: error => done.push(String(error)),
      count: nothing,
      ignored: nothing,
      log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
      limits: {
        maxSubscriptions: 9,
        maxIdentifierLength: 99,
        maxIdentifiersSize: 999,
        maxReplayBytes: 9999,
        maxWhisperSize: 99,
        maxPresenceInfoSize: 99,
      },
      historySince: true,
      explain: false,
      history: history && createMemoryBroker({ history, ids: { has: () => false, add: nothing } }),
      listening: createListening({ broker: { epoch: 'e', seen: 0 }, later: () => nothing }),
      tell: nothing,
      presence,
    },
  )
  return { session, done, connection }
}

const memory = () =>
  createMemoryHistory({ epoch: 'e', limit: 9, ttlSeconds: 9, maxBytes: 9999, wall: () => 0, monotonic: () => 0 })
const subscribe = (more: object = {}) => JSON.stringify({ command: 'subscribe', identifier: 'i', ...more })

for (const history of [undefined, memory()]) {
  test(`a session that ends at a confirmation joins nothing and listens to nothing, ${history ? 'with' : 'without'} a history`, () => {
    const { session, done } = start(/confirm_subscription/, { history })
    session.receive(subscribe({ presence: { id: 'ada' } }))

    assert.deepEqual(done, ['lost', 'close too_slow'])
  })
}

test('a session that ends in the middle of a replay listens to nothing', () => {
  const history = memory()
  for (const message of ['"one"', '"two"', '"three"']) history.append('room', message)
  const { session, done } = start(/two/, { history })
  session.receive(subscribe({ history: { streams: { room: { epoch: 'e', offset: 0 } } } }))

  assert.deepEqual(done, ['lost', 'close too_slow'])
})

test('a session that ends at the report of a gap asks for no refresh', () => {
  const { session, done } = start(/reject_history/, { history: memory() })
  session.receive(subscribe({ history: { streams: { room: { epoch: 'other', offset: 0 } } } }))

  assert.deepEqual(done, ['lost', 'close too_slow'])
})

for (const [about, asked, position] of [
  ['of an older position', { streams: { room: { epoch: 'e', offset: 1 } } }, { offset: 1, epoch: 'e' }],
  ['of an unknown position', { streams: { room: { epoch: 'other', offset: 1 } } }, 'gap'],
  ['of a time', { since: 1 }, 'gap'],
] as const)
  test(`a session that ends while a replay waits is resumed from before it: ${about}`, () => {
    const history = memory()
    for (const message of ['"one"', '"two"', '"three"']) history.append('room', message)
    const { session, connection } = start(/none/, { history })
    connection.congested = () => true
    session.receive(subscribe({ history: asked }))

    assert.deepEqual(session.end()?.position, position)
  })

test('a command executed after the connection closed does not prove that the client read our last frames', () => {
  const history = memory()
  const { session, connection } = start(/none/, { history })
  connection.isOpen = false
  history.append('room', '"missed"')
  session.receive('{"command":"ping","identifier":""}')

  assert.deepEqual(session.end()?.position, { offset: 0, epoch: 'e' })
})
