import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import { createLog } from '../log.ts'
import { SECRET, sign, startCable, token } from './test-cable.ts'

function written(level: string, format: string, say: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  const out = new Writable({
    write(chunk, _, done) {
      text += chunk
      done()
    },
  })
  say(createLog(level, format, out))
  return text
}

test('the text format writes one line per event', () => {
  const text = written('info', 'text', log =>
    log.warn({ sid: 'abc', code: 'x', note: 'two words' }, 'something happened'),
  )

  assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WRN something happened sid=abc code=x note="two words"\n$/)
})

test('the json format writes one object per line', () => {
  const { time, ...line } = JSON.parse(written('info', 'json', log => log.info({ sid: 'abc' }, 'a\nb')))

  assert.deepEqual(line, { level: 30, sid: 'abc', msg: 'a\nb' })
  assert.ok(Date.parse(time) > 0)
})

test('a newline in a message or a field does not begin another line', () => {
  const text = written('info', 'text', log => log.info({ origin: 'https://x\n2026 ERR forged' }, 'seen\nforged'))

  assert.equal(text.split('\n').length, 2)
})

test('the log escapes control characters, in a message and in a field', () => {
  const nasty = '\u001b[2J\u0085\u2028\u202e\u007f\u009b'
  const text = written('info', 'text', log => log.info({ origin: nasty }, nasty))

  assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  assert.equal(text.match(/\\u001b\[2J\\u0085\\u2028\\u202e\\u007f\\u009b/g)!.length, 2)
})

test('a flood of refusals is not a flood of the log', () => {
  const text = written('info', 'text', log => {
    for (let i = 0; i < 10_000; i++) log.warn({ code: 'unauthorized' }, 'backend refused')
    log.warn({ code: 'token_missing' }, 'session refused')
  })

  assert.ok(text.match(/unauthorized/g)!.length < 200)
  assert.equal(text.match(/token_missing/g)!.length, 1)
})

test('a flood of ignored commands is not a flood of the log at debug, and hides no warning', () => {
  const text = written('debug', 'text', log => {
    for (let i = 0; i < 10_000; i++) log.debug({ code: 'subscriptions_limit' }, 'again')
    log.warn({ code: 'subscriptions_limit' }, 'subscription rejected')
  })

  assert.ok(text.match(/again/g)!.length < 200)
  assert.match(text, /WRN subscription rejected/)
})

for (const format of ['text', 'json']) {
  test(`the log cuts a long value, and keeps a stack whole: ${format}`, () => {
    const stack = `Error: x\n${'    at somewhere (file:///srv/cable/server/session.ts:1:1)\n'.repeat(10)}`
    const long = 'x'.repeat(16_384)
    const text = written('info', format, log => log.error({ origin: long, stack }, long))

    assert.equal(text.match(/x{200}…/g)!.length, 2)
    assert.equal(text.match(/session\.ts/g)!.length, 10)
    assert.ok(text.length < 2_000)
  })
}

test('the cable bounds, in bytes, the lines that wait for a slow log', async () => {
  const waiting: (() => void)[] = []
  let last = ''
  const out = new Writable({
    decodeStrings: false,
    write(line, _, done) {
      last = line
      waiting.push(done)
    },
  })
  const log = createLog('info', 'json', out)
  for (let n = 0; n < 20_000; n++) log.info({ origin: 'x'.repeat(200) }, 'seen')
  assert.ok(out.writableLength < 1.1 * 1024 * 1024)

  while (waiting.length > 0) {
    for (const done of waiting.splice(0)) done()
    await setImmediate()
  }

  const { msg, lines } = JSON.parse(last)
  assert.match(msg, /log lines were lost/)
  assert.ok(lines > 15_000)
})

test('the log omits lines below its level', () => {
  assert.equal(
    written('warn', 'text', log => log.info('x')),
    '',
  )
})

test('no line of the log holds a secret, a token, a query or a whole signed name', async t => {
  const cable = await startCable(t, ['--dev'])
  const jid = token({ ext: '{}', exp: Math.floor(Date.now() / 1000) + 3600 })
  const bad = token({ ext: '{}' }, 'wrong')
  const client = await cable.connect({ query: `?jid=${jid}` })
  await client.next()
  const forged = sign('a', 'wrong')
  await client.subscribe(JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: forged }))
  await (await cable.connect({ query: `?jid=${bad}` })).closed
  await cable.post('garbage', { headers: { authorization: 'Bearer guess-of-a-key' } })

  const log = cable.lines.join('')
  assert.match(log, /stream_signature_mismatch/)
  assert.match(log, /token_invalid/)
  assert.match(log, /unauthorized/)
  for (const canary of [SECRET, jid, bad, forged, 'guess-of-a-key', 'jid=']) assert.ok(!log.includes(canary), canary)
})

test('with --log_level=debug the log follows a broadcast from its request to the frame of a client', async t => {
  const cable = await startCable(t, ['--log_level=debug', '--noauth', '--public_streams'])
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.confirmed('{"channel":"$pubsub","stream_name":"a"}')

  const headers = { authorization: `Bearer ${cable.key}`, 'x-request-id': '9f3c-01' }
  await cable.post({ stream: 'a', data: '"hello"', meta: { id: 'one' } }, { headers })

  const { offset, epoch } = await client.next()
  const [arrived] = cable.lines.filter(line => line.includes('a broadcast arrived'))
  const [, digest] = / request_id=9f3c-01 stream=a id=one digest=([0-9a-f]{8})$/m.exec(arrived!)!
  const goes = cable.lines.filter(line => line.includes('a broadcast goes to clients'))
  assert.equal(goes.length, 1)
  assert.ok(goes[0]!.trim().endsWith(` stream=a offset=${offset} epoch=${epoch} listeners=1 digest=${digest}`), goes[0])
})

test('the log names the request of a broadcast that the cable refuses, and the address of its sender', async t => {
  const cable = await startCable(t, ['--trusted_proxies=private'])
  const about = { 'x-request-id': '9f3c-02', 'x-forwarded-for': '203.0.113.7' }

  await cable.post({}, { headers: { authorization: 'Bearer wrong', ...about } })
  await cable.post({}, { headers: { authorization: 'Bearer wrong', 'x-request-id': 'odd"\u00e9' } })

  const refused = cable.lines.filter(line => line.includes('backend refused'))
  assert.match(refused[0]!, / code=unauthorized address=203\.0\.113\.7 request_id=9f3c-02$/m)
  assert.match(refused[1]!, / code=unauthorized address=127\.0\.0\.1$/m)
})

test('the log names the address of a client that the cable refuses', async t => {
  const cable = await startCable(t, [
    '--noauth=false',
    '--trusted_proxies=127.0.0.0/8',
    '--allowed_origins=here.test',
    '--sse',
  ])
  const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7' }

  const client = await cable.connect({ headers, origin: 'http://here.test' })
  await client.closed
  await assert.rejects(cable.connect({ headers, origin: 'http://there.test' }))
  await fetch(`${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}?stream=a`, { headers })

  const lines = cable.lines.filter(line => line.includes('WRN'))
  assert.equal(lines.length, 3)
  for (const line of lines) assert.match(line, /(token_missing|origin_not_allowed).* address=203\.0\.113\.7$/m)
})
