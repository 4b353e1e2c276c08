/**
 * For each refusal the operator gets a log line with its code and its fix, and a counter.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRaw } from '../../testing/raw.ts'
import { COMPLAINTS, type ComplaintCode, CUTS, ENDINGS, GAPS, REJECTIONS } from '../errors.ts'
import { counted, METRICS, sign, startCable, turbo } from './test-cable.ts'

const identifier = turbo('a')

for (const [code, ...commands] of [
  ['command_malformed', 'not JSON'],
  ['command_unknown', { command: 'dance', identifier }],
  ['command_unsupported', { command: 'message', identifier, data: '{}' }],
  ['already_subscribed', { command: 'subscribe', identifier }, { command: 'subscribe', identifier }],
  ['not_subscribed', { command: 'unsubscribe', identifier }],
  ['whisper_not_allowed', { command: 'subscribe', identifier }, { command: 'whisper', identifier, data: {} }],
] as [ComplaintCode, ...unknown[]][]) {
  test(`an ignored command is a failed message, logged with its fix: ${code}`, async t => {
    const cable = await startCable(t, ['--noauth', METRICS])
    const client = await cable.welcomed()
    for (const command of commands) client.send(command)
    client.send({ command: 'ping' })
    await client.until(({ type }) => type === 'pong')

    assert.equal(await counted(cable, 'failed_client_msg_total'), 1)
    assert.equal(await counted(cable, `refusals_total{code="${code}"}`), 1)
    assert.equal(await counted(cable, 'client_msg_total'), commands.length + 1)
    assert.equal(linesWith(cable.lines, code, `command ignored: ${COMPLAINTS[code]}`), 1)
  })
}

test('a rejected subscription does not count as a failed message', async t => {
  const cable = await startCable(t, ['--noauth', METRICS])
  const client = await cable.welcomed()
  const forged = JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'wrong') })

  assert.equal((await client.subscribe(forged)).type, 'reject_subscription')
  assert.equal(await counted(cable, 'failed_client_msg_total'), 0)
  assert.equal(linesWith(cable.lines, 'stream_signature_mismatch', REJECTIONS.stream_signature_mismatch), 1)
})

test('the log has the fix of a gap, a handshake, a broken connection and an ended session', async t => {
  const cable = await startCable(t, ['--noauth', '--max_message_size=1000', METRICS])
  const page = await cable.welcomed()
  await page.subscribe(turbo('a', { position: '-' }))
  page.send('x'.repeat(1001))
  await page.closed
  const flooder = await cable.welcomed()
  for (let i = 0; i < 150; i++) flooder.send('x')
  await flooder.closed
  const old = openRaw(t, cable.url.cable)
  old.write(
    'GET /cable HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n',
  )
  assert.match(await old.closed, / 426 /)

  assert.equal(linesWith(cable.lines, 'gap_position_unknown', GAPS.gap_position_unknown), 1)
  assert.equal(linesWith(cable.lines, 'message_too_large', CUTS.message_too_large.fix), 1)
  assert.equal(linesWith(cable.lines, 'malformed_flood', `session ended: ${ENDINGS.malformed_flood.fix}`), 1)
  assert.equal(linesWith(cable.lines, 'websocket_version', CUTS.websocket_version.fix), 1)
})

const linesWith = (lines: readonly string[], code: string, text: string): number =>
  lines.filter(line => line.includes(`code=${code}`) && line.includes(text)).length
