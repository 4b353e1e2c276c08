import assert from 'node:assert/strict'
import { test } from 'node:test'
import { payloadOf } from '../protocol/payload.ts'
import { replayOf } from './replaying.ts'
import type { Subscription } from './subscriptions.ts'

const subscription = { identifier: 'x', grant: { streams: ['a'] } } as unknown as Subscription
const message = { stream: 'a', payload: payloadOf('"held"'), offset: 5 }
const held = { messages: () => [{ after: 4, message }], gap: () => undefined } as unknown as Parameters<
  typeof replayOf
>[2]

for (const [about, start, found] of [
  ['a time', { since: 1 }, []],
  ['a gap', 'gap', 'gap'],
] as const) {
  test(`after a start at ${about} the client has the held messages, and a later request does not bring them again`, () => {
    const pending = { subscription, start, asked: true }
    const { messages, covered } = replayOf(pending as never, found, held, { seen: 5, epoch: 'e' }, 1_000)

    assert.deepEqual([messages, covered], [[message], 4])
  })
}
