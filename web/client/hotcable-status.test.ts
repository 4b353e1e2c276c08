/** What a page shows for what happened to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, credentials, INITIAL, identityOf, isSame, next, stateOf, wordsOf } from './hotcable-status.js'

const AT = { identifiers: ['a', 'b'], awayMs: 0, isOnline: true }
const frame = (type: string, more: object = {}): Change => ({ type: 'frame', frame: { type, ...more } })
const confirm = (identifier: string, more: object = {}) => frame('confirm_subscription', { identifier, ...more })
const after = (...changes: Change[]) => changes.reduce(next, INITIAL)
const LIVE = [frame('welcome'), confirm('a'), confirm('b')]
const rendered = (...positions: [string, string][]): Change => ({ type: 'rendered', positions: new Map(positions) })
const gap = (refresh: string) => confirm('b', { refresh })

for (const [about, state, changes] of [
  ['nothing has come yet', 'connecting', []],
  ['one stream is not confirmed', 'connecting', [frame('welcome'), confirm('a')]],
  ['every stream is confirmed', 'live', LIVE],
  [
    'a session was restored',
    'live',
    [...LIVE, { type: 'lost', at: 1 }, frame('welcome', { restored_ids: ['a', 'b'] })],
  ],
  ['a replay is coming', 'connecting', [...LIVE, { type: 'behind', identifier: 'a', is: true }]],
  ['a refresh was announced', 'connecting', [...LIVE, gap('coming')]],
  [
    'a refresh was announced with the history',
    'connecting',
    [...LIVE, frame('reject_history', { identifier: 'a', refresh: 'coming' })],
  ],
  ['the refresh came, and nothing was rendered', 'connecting', [...LIVE, { type: 'refresh', identifier: 'a' }]],
  ['the page was rendered anew', 'live', [...LIVE, gap('coming'), rendered(['a', '1/x'], ['b', '-'])]],
  ['the page came out of a cache', 'stale', [...LIVE, gap('coming'), rendered(['a', '1/x'], ['b', '1/x'])]],
  ['no refresh follows', 'stale', [...LIVE, gap('off')]],
  ['a refresh is held back', 'stale', [...LIVE, gap('held-back')]],
  ['the page cannot refresh itself', 'stale', [...LIVE, gap('coming'), { type: 'stuck', obstacle: 'form' }]],
  ['it could not, and was rendered', 'live', [...LIVE, gap('coming'), { type: 'stuck', obstacle: 'form' }, rendered()]],
  ['a stream was refused', 'refused', [...LIVE, frame('reject_subscription', { identifier: 'a' })]],
  [
    'a stream was refused, and confirmed later',
    'live',
    [...LIVE, frame('reject_subscription', { identifier: 'a' }), confirm('a')],
  ],
  ['the session was refused', 'refused', [frame('disconnect', { reason: 'unauthorized', reconnect: false })]],
  ['a token expired', 'connecting', [frame('disconnect', { reason: 'token_expired', reconnect: false })]],
  [
    'the cable stops for a moment',
    'connecting',
    [...LIVE, frame('disconnect', { reconnect: true }), { type: 'lost', at: 1 }],
  ],
] as const) {
  test(`a page is ${state} when ${about}`, () => {
    const page = after(...(changes as unknown as Change[]))

    assert.equal(stateOf(page, AT), state)
  })
}

test('a page that was away for long is offline', () => {
  const page = after(...LIVE, { type: 'lost', at: 1000 })

  assert.equal(page.downSince, 1000)
  assert.equal(stateOf(page, { ...AT, awayMs: 4001 }), 'offline')
})

test('the status names what was refused and why something may be missing', () => {
  const words = (...changes: Change[]) => {
    const page = after(...LIVE, ...changes)
    return wordsOf(page, stateOf(page, AT), AT.identifiers)
  }
  const limit = frame('reject_subscription', { identifier: 'a', code: 'subscriptions_limit' })

  assert.deepEqual(words(limit), { text: 'refused: subscriptions_limit', title: '' })
  assert.match(words(gap('coming'), { type: 'stuck', obstacle: 'unsaved' }).title, /not sent/)
  assert.match(words(gap('held-back')).title, /cache/)
  assert.match(words(gap('off')).title, /set not to/)
})

test('a stream that left the page counts no more, and is unknown when it returns', () => {
  const page = after(...LIVE, gap('off'), { type: 'present', identifiers: new Set(['a']) })

  assert.equal(stateOf(page, { ...AT, identifiers: ['a'] }), 'live')
  assert.equal(stateOf(page, AT), 'connecting')
})

test('a change leaves the page before it as it was', () => {
  const page = after(...LIVE)
  for (const change of [gap('coming'), { type: 'lost', at: 1 }, rendered()] as Change[]) next(page, change)

  assert.equal(stateOf(page, AT), 'live')
  assert.equal(next(page, frame('ping')), page, 'a message that says nothing new makes nothing new')
})

test('tokens of one user are one identity, and a text that is no token is none', () => {
  const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`

  assert.equal(identityOf(token({ ext: '"ada~é"', exp: 1 })), identityOf(token({ ext: '"ada~é"', exp: 2 })))
  assert.notEqual(identityOf(token({ ext: 'ada' })), identityOf(token({ ext: 'bob' })))
  assert.deepEqual([undefined, '', 'a.b.c'].map(identityOf), [undefined, undefined, undefined])
  assert.ok(!isSame({ url: 'ws://a/', param: 'jid' }, { url: 'ws://b/', param: 'jid' }))
  assert.equal(typeof credentials, 'function')
})
