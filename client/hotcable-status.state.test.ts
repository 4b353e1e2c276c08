/** Every state of a page with every event: what the page shows next, and what Turbo's visit is next. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INITIAL, next, type PageEvent, type PageState, type Status, statusOf } from './hotcable-status.js'

const NOW = 10_000
const frame = (type: string, more: object = {}): PageEvent => ({ type: 'frame', frame: { type, ...more } })
const confirm = (identifier: string, more: object = {}) => frame('confirm_subscription', { identifier, ...more })
const after = (...events: PageEvent[]): PageState => events.reduce(next, INITIAL)
const LIVE = [frame('welcome'), confirm('a'), confirm('b')]
const ASKING: PageEvent = { type: 'asking-turbo' }
const replacing = (replacesPage: boolean): PageEvent => ({ type: 'visit-started', replacesPage })

/** The columns of the table: pages with the sources `a` and `b`. */
const PAGES: [about: string, page: PageState][] = [
  ['a live page', after(...LIVE)],
  ['a connecting page', after(frame('welcome'), confirm('a'))],
  ['a stale page', after(...LIVE, { type: 'gap', identifier: 'b', refresh: 'off' })],
  ['an offline page', after(...LIVE, { type: 'connection-lost', at: 0 })],
  ['a page with a refused stream', after(...LIVE, frame('reject_subscription', { identifier: 'a' }))],
  ['a page with a refused session', after(...LIVE, frame('disconnect', { reconnect: false }))],
]
const VISITS: [about: string, page: PageState][] = [
  ['no visit', INITIAL],
  ['an expected refresh', after(ASKING)],
  ['a refresh', after(ASKING, replacing(true))],
  ['another visit', after(replacing(false))],
]

type Row = [when: string, event: PageEvent, statuses?: string | undefined, visits?: string]

/** A row without statuses leaves every status as it was; the same for visits. */
const TABLE: { [Type in PageEvent['type']]: Row[] } = {
  frame: [
    ['the cable welcomes it', frame('welcome'), 'live connecting stale connecting refused live'],
    [
      'the cable restores its session',
      frame('welcome', { restored_ids: ['a', 'b'] }),
      'live live stale live live live',
    ],
    ['the cable pings it', frame('ping'), 'live connecting stale connecting refused refused'],
    ['a stream is confirmed', confirm('b'), 'live live stale connecting refused refused'],
    [
      'a stream is confirmed and the cable will refresh the page',
      confirm('b', { refresh: 'coming' }),
      'connecting connecting connecting connecting refused refused',
    ],
    [
      'a stream is confirmed and no refresh follows',
      confirm('b', { refresh: 'off' }),
      'stale stale stale stale refused refused',
    ],
    [
      'a stream is refused',
      frame('reject_subscription', { identifier: 'b' }),
      'refused refused refused refused refused refused',
    ],
    [
      'the missed messages have been replayed',
      frame('confirm_history', { identifier: 'b' }),
      'live connecting stale connecting refused refused',
    ],
    [
      'the history is lost and the cable will refresh the page',
      frame('reject_history', { identifier: 'b', refresh: 'coming' }),
      'connecting connecting connecting connecting refused refused',
    ],
    ['the cable restarts', frame('disconnect', { reconnect: true })],
    [
      'the session is refused',
      frame('disconnect', { reason: 'unauthorized', reconnect: false }),
      'refused refused refused refused refused refused',
    ],
    [
      'its token expires',
      frame('disconnect', { reason: 'token_expired', reconnect: false }),
      'live connecting stale refused refused live',
    ],
  ],
  attached: [
    [
      'its client is already subscribed',
      { type: 'attached', identifier: 'b' },
      'live live stale connecting refused refused',
    ],
  ],
  'connection-lost': [
    [
      'the connection is lost',
      { type: 'connection-lost', at: NOW },
      'connecting connecting connecting offline refused refused',
    ],
  ],
  'catching-up': [
    [
      'the cable starts a replay',
      { type: 'catching-up', identifier: 'a' },
      'connecting connecting stale offline refused refused',
    ],
  ],
  'caught-up': [['the cable ends a replay', { type: 'caught-up', identifier: 'a' }]],
  gap: [
    [
      'messages are lost and the cable will refresh the page',
      { type: 'gap', identifier: 'b', refresh: 'coming' },
      'connecting connecting connecting offline refused refused',
    ],
    [
      'messages are lost and the refresh is held back',
      { type: 'gap', identifier: 'b', refresh: 'held-back' },
      'stale stale stale offline refused refused',
    ],
    [
      'messages are lost and no refresh follows',
      { type: 'gap', identifier: 'b', refresh: 'off' },
      'stale stale stale offline refused refused',
    ],
  ],
  'sources-changed': [
    ['no source leaves', { type: 'sources-changed', identifiers: new Set(['a', 'b']) }],
    [
      'a source leaves and returns',
      { type: 'sources-changed', identifiers: new Set(['a']) },
      'connecting connecting connecting offline refused refused',
    ],
  ],
  'delivery-started': [['a source delivers a message', { type: 'delivery-started', identifier: 'a' }]],
  'delivery-ended': [['a message has been delivered', { type: 'delivery-ended' }]],
  'refresh-asked': [
    [
      'a refresh arrives that Turbo performs',
      { type: 'refresh-asked', byTurbo: true },
      undefined,
      'awaited awaited refresh other',
    ],
    [
      'a refresh arrives that must wait',
      { type: 'refresh-asked', byTurbo: false },
      undefined,
      'none none refresh other',
    ],
  ],
  'refresh-blocked': [['the page cannot refresh itself', { type: 'refresh-blocked', obstacle: 'form' }]],
  'refresh-failed': [['the app does not answer with the page', { type: 'refresh-failed', retryAt: NOW }]],
  'asking-turbo': [
    ['the script asks Turbo for a refresh', ASKING, undefined, 'awaited awaited refresh+awaited other+awaited'],
  ],
  'asked-turbo': [['the script has asked Turbo', { type: 'asked-turbo' }, undefined, 'none none refresh other']],
  'visit-started': [
    ['Turbo visits the same page', replacing(true), undefined, 'other refresh other other'],
    ['Turbo visits another page', replacing(false), undefined, 'other other other other'],
  ],
  'visit-ended': [
    ['the visit ends', { type: 'visit-ended' }, undefined, 'none awaited none none'],
    ['the first visit ends', { type: 'visit-ended', number: 1 }, undefined, 'none awaited none none'],
    ['a visit ends that is not the last', { type: 'visit-ended', number: 2 }],
  ],
  'page-loaded': [['Turbo has loaded a page', { type: 'page-loaded' }, undefined, 'none awaited none none']],
  rendering: [['Turbo starts to render', { type: 'rendering' }]],
  'preview-rendered': [['Turbo has rendered a preview', { type: 'preview-rendered' }]],
  rendered: [
    [
      'Turbo has rendered the page anew',
      { type: 'rendered', positions: new Map([['b', '-']]) },
      'live connecting live offline refused refused',
      'none none refresh other',
    ],
    [
      'Turbo has rendered the page from a cache',
      { type: 'rendered', positions: new Map([['b', '1/x']]) },
      undefined,
      'none none refresh other',
    ],
  ],
  'form-sent': [['a form is sent', { type: 'form-sent', form: 1 }, undefined, 'none none none none']],
  'form-answered': [['a form is answered', { type: 'form-answered', form: 1, showsRejectedForm: false }]],
  shown: [['the element has shown the status', { type: 'shown', status: 'offline' }]],
}

const status = (page: PageState): Status =>
  statusOf(page, { identifiers: ['a', 'b'], awayMs: NOW - page.disconnectedAt, isOnline: true })

const visit = ({ turbo: { visit, expectsRefresh } }: PageState): string => {
  if (!expectsRefresh) return visit
  return visit === 'none' ? 'awaited' : `${visit}+awaited`
}

for (const [when, event, statuses, visits] of Object.values(TABLE).flat()) {
  for (const [at, [about, page]] of PAGES.entries()) {
    const before = status(page)
    const expected = statuses?.split(' ')[at] ?? before
    test(`${about} ${expected === before ? 'stays' : 'becomes'} ${expected} when ${when}`, () => {
      assert.equal(status(next(page, event)), expected)
    })
  }

  for (const [at, [about, page]] of VISITS.entries()) {
    const before = visit(page)
    const expected = visits?.split(' ')[at] ?? before
    test(`a page with ${about} ${expected === before ? 'stays at' : 'changes to'} "${expected}" when ${when}`, () => {
      assert.equal(visit(next(page, event)), expected)
    })
  }
}

test('an event leaves the state before it as it was', () => {
  const page = after(...LIVE, { type: 'form-sent', form: 1 })
  const copy = structuredClone(page)

  for (const [, event] of Object.values(TABLE).flat()) next(page, event)

  assert.deepEqual(page, copy)
})
