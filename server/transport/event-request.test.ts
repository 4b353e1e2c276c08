import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readGet, readPost } from './event-request.ts'

const get = (query: string, lastEventId?: string) => readGet(new URLSearchParams(query), lastEventId, 3)
const post = (body: string, { query = '', lastEventId = '', most = 3 } = {}) =>
  readPost(new URLSearchParams(query), lastEventId, body, most)
const line = (command: object) => `${JSON.stringify(command)}\n`

for (const [query, identifier] of [
  ['identifier=%7B%20%22channel%22%3A1%7D&stream=s', '{ "channel":1}'],
  ['channel=c', '{"channel":"c"}'],
  ['stream=s', '{"channel":"$pubsub","stream_name":"s"}'],
  ['signed_stream=s', '{"channel":"$pubsub","signed_stream_name":"s"}'],
  ['turbo_signed_stream_name=s', '{"channel":"Turbo::StreamsChannel","signed_stream_name":"s"}'],
  ['identifier=&stream=a&stream=&stream=a', '{"channel":"$pubsub","stream_name":"a"}'],
  ['stream=%ff%', '{"channel":"$pubsub","stream_name":"\ufffd%"}'],
] as const) {
  test(`a GET names one subscription, independent of position, format and headers: ${query}`, () => {
    const first = get(query)
    const again = get(`${query}&position=3/e&raw=1`, '4/e/s')

    for (const { commands } of [first, again]) assert.deepEqual(commands, [{ command: 'subscribe', identifier }])
    assert.deepEqual(first.positions, { page: undefined, seen: undefined })
    assert.deepEqual(again.positions, {
      page: { offset: 3, epoch: 'e' },
      seen: { stream: 's', position: { offset: 4, epoch: 'e' } },
    })
    assert.deepEqual([first.format.raw, again.format.raw], [false, true])
  })
}

test('a GET that repeats a parameter names several subscriptions, and one id resumes them all', () => {
  const query = 'turbo_signed_stream_name=a&stream=x&turbo_signed_stream_name=b&stream=y&position=3/e'

  const { commands, positions, sharesId } = get(query)

  assert.deepEqual(
    commands.map(({ identifier }) => identifier),
    ['{"channel":"$pubsub","stream_name":"x"}', '{"channel":"$pubsub","stream_name":"y"}'],
  )
  assert.deepEqual(positions, { page: { offset: 3, epoch: 'e' }, seen: undefined })
  assert.deepEqual(get(query, '4/e/x').positions, { page: { offset: 4, epoch: 'e' }, seen: undefined })
  assert.deepEqual(get(query, 'nonsense').positions, { page: 'unknown', seen: undefined })
  assert.deepEqual([sharesId, get('stream=a&stream=a').sharesId], [true, false])
})

test('a GET may ask for messages since a time, and a page may have no position', () => {
  assert.deepEqual(get('stream=s&history_since=12.5').commands[0]?.history, { since: 12.5 })
  for (const none of ['', '0', '-3'])
    assert.equal(get(`stream=s&history_since=${none}`).commands[0]?.history, undefined)
  assert.equal(get('stream=s&position=-').positions.page, 'unknown')
  assert.equal(get('stream=s&position=left').positions.page, undefined)
})

test('the cable takes each line of a POST as a subscribe, and keeps its other fields', () => {
  const presence = { id: 'ada', info: { name: 'Ada' } }
  const lines = [
    { command: 'leave', identifier: 'a' },
    { identifier: 'b', history: { since: 1 }, presence },
  ]
  const { commands, positions, format } = post(`\r\n${lines.map(line).join('\r\n')}  \n`, { lastEventId: 'x' })

  assert.deepEqual(commands, [
    { command: 'subscribe', identifier: 'a' },
    {
      command: 'subscribe',
      identifier: 'b',
      history: { since: 1 },
      presence: { ...presence, info: '{"name":"Ada"}' },
    },
  ])
  assert.deepEqual([positions, format.unwrapped], [{ page: undefined, seen: 'unknown' }, false])
  assert.deepEqual(post('').commands, [])
})

const good = line({ command: 'subscribe', identifier: 'a' })
for (const [about, read, code] of [
  ['a GET of no stream', () => get('raw=1'), 'identifier_missing'],
  ['a GET of too many streams', () => get('stream=a&stream=b&stream=c&stream=d'), 'subscriptions_limit'],
  ['a time that is not a number', () => get('stream=s&history_since=today'), 'history_unusable'],
  ['a time without end', () => get('stream=s&history_since=Infinity'), 'history_unusable'],
  ['a line that is not JSON', () => post(`${good}nonsense`), 'command_malformed'],
  ['a line that is a list', () => post(`${good}[]`), 'command_malformed'],
  ['a line that is null', () => post(`${good}null`), 'command_malformed'],
  ['an identifier that is not a string', () => post(good + line({ identifier: {} })), 'command_malformed'],
  ['no identifier', () => post(good + line({ command: 'subscribe' })), 'identifier_missing'],
  ['an identifier twice', () => post(good + good), 'already_subscribed'],
  [
    'too many lines',
    () => post(['a', 'b', 'c', 'd'].map(identifier => line({ identifier })).join('')),
    'subscriptions_limit',
  ],
  [
    'a line that is too deep',
    () => post(`${good}{"identifier":"b","x":${'['.repeat(5000)}${']'.repeat(5000)}}`),
    'command_too_deep',
  ],
] as const) {
  test(`the cable refuses a request as a whole, for its reason: ${about}`, () => {
    assert.throws(read, { name: 'EventsRefused', code })
  })
}
