/** What the doctor says of observations that a test cannot easily make. The others: cli/doctor.test.ts, e2e/proxies/doctor.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judge, type Row } from './checks.ts'
import { HELLO, type Seen } from './look.ts'
import { json, table } from './report.ts'

const NOW = 1_800_000_000_000
const answer = (status: number, headers = {}, body = '') => ({ status, headers, body, arrivedAt: NOW })
const event = (data: string) => ({ at: NOW, type: 'message', data })
const EVENTS = { 'content-type': 'text/event-stream' }

/** A cable that has hung up during the doctor's visit, and what else was seen. */
const seen = (more: object): Seen =>
  ({
    cable: new URL('wss://cable.example/cable?secret=canary'),
    socket: { kind: 'unreachable', failure: { code: 'ECONNRESET', message: 'reset' } },
    script: {
      url: new URL('https://cable.example/cable/hotcable.js'),
      answer: answer(200, { 'content-type': 'text/javascript' }),
    },
    options: { origin: 'https://app.example', timeoutMs: 5000 },
    leftAt: NOW + 12_000,
    ...more,
  }) as unknown as Seen

/** A WebSocket, what the cable said on it, and how it ended it. */
const conversation = (heard: object[], close?: object) => ({
  identifiers: ['{}'],
  socket: {
    kind: 'open',
    connected: { address: '1.2.3.4:443' },
    answer: answer(101, { 'sec-websocket-protocol': 'actioncable-v1-json' }),
    isAccepted: true,
    conversation: { openedAt: NOW, heard, end: { at: NOW + 1000, close } },
  },
})

const events = (...heard: string[]) => ({ askedAt: NOW, outcome: answer(200, EVENTS), events: heard.map(event) })
const row = (name: string, rows: readonly Row[]): Row => rows.find(({ check }) => check === name)!

for (const [about, name, more, result, saw] of [
  [
    'a proxy lets the first event pass and keeps the next ones',
    'sse',
    { events: events('{}'), broadcast: { answer: answer(201), arrived: true } },
    'FAIL',
    /^the first event came, but not the message/,
  ],
  [
    'the message arrives as an event too',
    'sse',
    { events: events('{}', HELLO), broadcast: { answer: answer(201), arrived: true } },
    'ok',
    /^the first event/,
  ],
  [
    'the app answers at the path of events',
    'sse',
    { events: { askedAt: NOW, events: [], outcome: answer(200, { 'content-type': 'text/html' }) } },
    'warn',
    /^a page answers/,
  ],
  ['another origin may not load the script', 'script', {}, 'FAIL', /may not be loaded by https:\/\/app\.example$/],
  [
    'only the clock of the proxy is off',
    'clock',
    {
      script: {
        url: new URL('https://cable.example/x.js'),
        answer: answer(200, { date: new Date(NOW + 90_000).toUTCString() }),
      },
    },
    'FAIL',
    /^the Date header is 90 s ahead of this machine's$/,
  ],
  [
    'the answer about the position is a page',
    'position',
    { position: answer(200, {}, '<h1>Hi</h1>') },
    'FAIL',
    /"Hi"$/,
  ],
  [
    'the certificate is about to expire',
    'connect',
    {
      socket: {
        kind: 'silent',
        connected: { address: '[::1]:443', tls: { version: 'TLSv1.3', daysLeft: 13 } },
        failure: { code: 'X', message: '' },
      },
    },
    'warn',
    /^\[::1\]:443, TLSv1\.3, certificate valid for 13 days$/,
  ],
  ['the connection is reset', 'connect', {}, 'FAIL', /^no connection: ECONNRESET "reset"$/],
  ...(
    [
      ['CERT_HAS_EXPIRED', /has expired$/],
      ['ERR_TLS_CERT_ALTNAME_INVALID', /is not for cable\.example$/],
      ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /without the intermediate one$/],
      ['ETIMEDOUT', /^cable\.example does not answer \(ETIMEDOUT\)$/],
    ] as const
  ).map(
    ([code, saw]) =>
      [code, 'connect', { socket: { kind: 'unreachable', failure: { code, message: '' } } }, 'FAIL', saw] as const,
  ),
] as const) {
  test(`the doctor judges ${name}: ${about}`, () => {
    const found = row(name, judge(seen(more)))

    assert.equal(found.result, result)
    assert.match(found.saw, saw)
    assert.equal(found.fix.length > 0, result !== 'ok')
  })
}

test('the doctor warns of --dev, unless only this machine can reach the cable', () => {
  const at = (cable: string) => {
    const { result, saw } = row('server', judge(seen({ ...conversation([{ dev: true }]), cable: new URL(cable) })))
    assert.match(saw, /it runs with --dev$/)
    return result
  }

  for (const url of ['ws://localhost:8080/cable', 'ws://127.0.0.1/cable', 'ws://[::1]:8080/cable'])
    assert.equal(at(url), 'ok', url)
  for (const url of ['wss://cable.example/cable', 'ws://10.0.0.5:8080/cable', 'wss://localhost/cable'])
    assert.equal(at(url), 'warn', url)
})

test('a report has neither the query of the URL nor control characters of an answer', () => {
  const rude = seen({
    socket: { kind: 'refused', connected: { address: '1.2.3.4:443' }, answer: answer(500, {}, '\x1b[31m\r\nno\n') },
  })
  const farewell = seen(conversation([], { code: 1000, reason: 'bye \x1b[31m\u202e' }))

  for (const each of [rude, farewell]) {
    const rows = judge(each)
    for (const report of [table(each, rows), json(each, rows)]) {
      assert.match(report, /wss:\/\/cable\.example\/cable\b/)
      assert.doesNotMatch(report.replaceAll('\n', ''), /canary|\p{Cc}|\p{Cf}/u)
    }
  }
})

test('no value that a server may send makes the doctor fail', () => {
  const deep = JSON.parse(`${'['.repeat(1e5)}${']'.repeat(1e5)}`)
  for (const value of [deep, { toString: 1 }, null, 5, [], ''])
    for (const type of ['welcome', 'disconnect', 'ping', 'confirm_subscription', 'reject_subscription', value]) {
      const frame = {
        at: NOW,
        type,
        reason: value,
        code: value,
        fix: value,
        message: value,
        identifier: value,
        sid: value,
      }
      judge(seen(conversation([frame, frame])))
    }
})
