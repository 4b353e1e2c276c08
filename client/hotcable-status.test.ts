/** The status of a page after a series of events, and the user of a page. Each event alone: hotcable-status.state.test.ts. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import * as script from './hotcable-status.js'
import { INITIAL, identityOf, isSame, next, type PageEvent, statusOf, wordsOf } from './hotcable-status.js'

const AT = { identifiers: ['a', 'b'], awayMs: 0, isOnline: true }
const frame = (type: string, more: object = {}): PageEvent => ({ type: 'frame', frame: { type, ...more } })
const confirm = (identifier: string, more: object = {}) => frame('confirm_subscription', { identifier, ...more })
const after = (...events: PageEvent[]) => events.reduce(next, INITIAL)
const LIVE = [frame('welcome'), confirm('a'), confirm('b')]
const LOST: PageEvent = { type: 'connection-lost', at: 1000 }
const BLOCKED: PageEvent = { type: 'refresh-blocked', obstacle: 'form' }
const FAILED: PageEvent = { type: 'refresh-failed', retryAt: 1 }
const rendered = (...positions: [string, string][]): PageEvent => ({ type: 'rendered', positions: new Map(positions) })
const gap = (refresh: string) => confirm('b', { refresh })

const SERIES: [status: string, when: string, events: PageEvent[]][] = [
  ['connecting', 'nothing has arrived yet', []],
  ['connecting', 'one of its streams is not confirmed', [frame('welcome'), confirm('a')]],
  ['live', 'every stream is confirmed', LIVE],
  ['live', 'its session is restored', [...LIVE, LOST, frame('welcome', { restored_ids: ['a', 'b'] })]],
  [
    'connecting',
    'a refresh has arrived and is not rendered',
    [...LIVE, { type: 'delivery-started', identifier: 'a' }, { type: 'refresh-asked', byTurbo: true }],
  ],
  ['live', 'a gap is followed by a fresh page', [...LIVE, gap('coming'), rendered(['a', '1/x'], ['b', '-'])]],
  ['stale', 'a gap is followed by a page from a cache', [...LIVE, gap('coming'), rendered(['a', '1/x'], ['b', '1/x'])]],
  ['stale', 'it cannot perform the refresh', [...LIVE, gap('coming'), BLOCKED]],
  ['live', 'it could not refresh itself and is rendered anew', [...LIVE, gap('coming'), BLOCKED, rendered()]],
  ['connecting', 'two refreshes failed', [...LIVE, gap('coming'), FAILED, FAILED]],
  ['stale', 'three refreshes failed', [...LIVE, gap('coming'), FAILED, FAILED, FAILED]],
  ['connecting', 'a second gap follows a render', [...LIVE, gap('coming'), BLOCKED, rendered(), gap('coming')]],
  [
    'connecting',
    'refreshes fail before and after a render',
    [...LIVE, gap('coming'), FAILED, FAILED, rendered(), gap('coming'), FAILED],
  ],
  [
    'live',
    'a refused stream is confirmed later',
    [...LIVE, frame('reject_subscription', { identifier: 'a' }), confirm('a')],
  ],
  ['connecting', 'its token expires', [frame('disconnect', { reason: 'token_expired', reconnect: false }), LOST]],
  ['connecting', 'the cable restarts', [...LIVE, frame('disconnect', { reconnect: true }), LOST]],
]

for (const [status, when, events] of SERIES) {
  test(`a page is ${status} when ${when}`, () => {
    const page = after(...events)

    assert.equal(statusOf(page, AT), status)
  })
}

test('a page is offline after 4 s without a connection, and at once without a network', () => {
  const page = after(...LIVE, LOST)

  assert.equal(page.disconnectedAt, 1000)
  assert.equal(statusOf(page, { ...AT, awayMs: 3999 }), 'connecting')
  assert.equal(statusOf(page, { ...AT, awayMs: 4000 }), 'offline')
  assert.equal(statusOf(page, { ...AT, isOnline: false }), 'offline')
})

test('a page with an expired token is connecting for 4 s even without a network, then refused', () => {
  const page = after(...LIVE, frame('disconnect', { reason: 'token_expired', reconnect: false }), LOST)

  assert.equal(statusOf(page, { ...AT, isOnline: false }), 'connecting')
  assert.equal(statusOf(page, { ...AT, isOnline: false, awayMs: 4000 }), 'refused')
})

test('the words name the refusal, and why something may be missing', () => {
  const words = (...events: PageEvent[]) => {
    const page = after(...LIVE, ...events)
    return wordsOf(page, statusOf(page, AT), AT.identifiers)
  }
  const limit = frame('reject_subscription', { identifier: 'a', code: 'subscriptions_limit' })

  assert.deepEqual(words(limit), { text: 'refused: subscriptions_limit', title: '' })
  assert.match(words(gap('coming'), { type: 'refresh-blocked', obstacle: 'unsaved' }).title, /not sent/)
  assert.match(words(gap('held-back')).title, /cache/)
  assert.match(words(gap('off')).title, /set not to/)
})

test('a stream that left the page does not count, and is unknown when it returns', () => {
  const page = after(...LIVE, gap('off'), { type: 'sources-changed', identifiers: new Set(['a']) })

  assert.equal(statusOf(page, { ...AT, identifiers: ['a'] }), 'live')
  assert.equal(statusOf(page, AT), 'connecting')
})

test('an event that changes nothing returns the same state', () => {
  const page = after(...LIVE)

  assert.equal(next(page, frame('ping')), page)
  assert.equal(next(page, { type: 'sources-changed', identifiers: new Set(['a', 'b']) }), page)
})

test('the first confirmation of a stream is not a reconfirmation, the next ones are', () => {
  const isReconfirmed = (...events: PageEvent[]) => after(...events).streams.get('a')?.isReconfirmed

  assert.equal(isReconfirmed(confirm('a')), false)
  assert.equal(isReconfirmed(confirm('a'), LOST, confirm('a')), true)
})

test('a refresh belongs to the source that delivers it, and to no source outside of a delivery', () => {
  const delivery: PageEvent = { type: 'delivery-started', identifier: 'a' }
  const refresh: PageEvent = { type: 'refresh-asked', byTurbo: true }
  const gaps = (...events: PageEvent[]) => [...after(...events).streams].map(([name, stream]) => [name, stream.gap])

  assert.deepEqual(gaps(delivery, refresh), [['a', 'coming']])
  assert.deepEqual(gaps(delivery, { type: 'delivery-ended' }, refresh), [['', 'coming']])
})

test('a refresh is asked for until a page is rendered', () => {
  const asked = after({ type: 'refresh-asked', byTurbo: true })

  assert.equal(asked.isRefreshAsked, true)
  assert.equal(next(asked, { type: 'preview-rendered' }).isRefreshAsked, true)
  assert.equal(next(asked, rendered()).isRefreshAsked, false)
})

test('a page asks by itself for a refresh that a cable promised, if the next cable knows of no gap', () => {
  const isAsked = (...events: PageEvent[]) => after(...LIVE, LOST, ...events).isRefreshAsked
  const promised = [gap('coming'), LOST, frame('welcome')]

  assert.equal(isAsked(...promised, confirm('b')), true)
  assert.equal(isAsked(...promised, gap('coming')), false)
  assert.equal(isAsked(...promised, confirm('a')), false)
  assert.equal(isAsked(gap('coming'), confirm('b')), false)
  assert.equal(isAsked(...promised, confirm('b'), rendered()), false)
})

test('a refresh that failed is tried again at its time, and Turbo gets its two attempts again', () => {
  const begun = after({ type: 'asking-turbo' }, { type: 'visit-started', replacesPage: true }, { type: 'asked-turbo' })
  const failed = next(begun, { type: 'refresh-failed', retryAt: 5000 })

  assert.deepEqual([failed.turbo.failures, failed.turbo.retryAt, failed.turbo.unrendered], [1, 5000, 0])
})

test('a state knows what was shown, and that the cable runs with --dev', () => {
  assert.equal(after({ type: 'shown', status: 'offline' }).shown, 'offline')
  assert.equal(after(frame('welcome', { dev: true }), frame('ping')).isDeveloping, true)
  assert.equal(after(frame('welcome')).isDeveloping, false)
})

test('only a refresh that Turbo starts and does not show is counted, until a page is rendered', () => {
  const asking: PageEvent[] = [{ type: 'asking-turbo' }, { type: 'visit-started', replacesPage: true }]
  const unrendered = (...events: PageEvent[]) => after(...events).turbo.unrendered

  assert.equal(unrendered({ type: 'asking-turbo' }, { type: 'asked-turbo' }), 0)
  assert.equal(unrendered(...asking, { type: 'asked-turbo' }), 1)
  assert.equal(unrendered(...asking, { type: 'asked-turbo' }, rendered()), 0)
})

test('only a refresh is morphed with the drafts of the page', () => {
  const isMorphing = (...events: PageEvent[]) => after(...events, { type: 'rendering' }).turbo.isMorphing
  const visit: PageEvent = { type: 'visit-started', replacesPage: true }

  assert.equal(isMorphing(visit), false)
  assert.equal(isMorphing({ type: 'asking-turbo' }, visit), true)
  for (const end of [rendered(), { type: 'preview-rendered' }] as const)
    assert.equal(after({ type: 'asking-turbo' }, visit, { type: 'rendering' }, end).turbo.isMorphing, false)
})

test('a form is awaited until it is answered, and a rejected one is shown until a page is loaded', () => {
  const sent = after({ type: 'form-sent', form: 1 }, { type: 'form-sent', form: 2 })
  const answered = next(sent, { type: 'form-answered', form: 1, showsRejectedForm: true })

  assert.deepEqual([...sent.turbo.forms], [1, 2])
  assert.deepEqual([...answered.turbo.forms], [2])
  assert.equal(answered.turbo.showsRejectedForm, true)
  assert.equal(next(answered, { type: 'page-loaded' }).turbo.showsRejectedForm, false)
})

test('tokens of one user have the same identity, and a text that is not a token has none', () => {
  const token = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`

  assert.equal(identityOf(token({ ext: '"ada~é"', exp: 1 })), identityOf(token({ ext: '"ada~é"', exp: 2 })))
  assert.notEqual(identityOf(token({ ext: 'ada' })), identityOf(token({ ext: 'bob' })))
  assert.deepEqual([undefined, '', 'a.b.c'].map(identityOf), [undefined, undefined, undefined])
})

test('pages of one user at two cables do not share a connection', () => {
  const identity = '"ada"'

  assert.ok(isSame({ url: 'ws://a/', identity }, { url: 'ws://a/', identity }))
  assert.ok(!isSame({ url: 'ws://a/', identity }, { url: 'ws://b/', identity }))
  assert.ok(!isSame({ url: 'ws://a/', identity }, { url: 'ws://a/', identity: undefined }))
})

test('the script exports what its declarations say', async () => {
  const declarations = await readFile(new URL('hotcable-status.d.ts', import.meta.url), 'utf8')
  const names = [...declarations.matchAll(/^export (?:const|function) (\w+)/gm)].map(([, name]) => name)

  assert.deepEqual(Object.keys(script).sort(), names.sort())
})
