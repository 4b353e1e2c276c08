/** Messages that are not commands, or are too large: the cable ignores them, or closes with a code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { socketOf, startCable, turbo } from './test-cable.ts'

for (const [about, message] of [
  ['no JSON', '{"command":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a number', '7'],
  ['a command that is a number', '{"command":7,"identifier":"a"}'],
  ['an identifier that is an object', '{"command":"subscribe","identifier":{"channel":"a"}}'],
  ['an unknown command', '{"command":"dance","identifier":"a"}'],
  ['an empty object', '{}'],
  ['a perform', '{"command":"message","identifier":"a","data":"{}"}'],
  ['a pong', '{"command":"pong"}'],
  ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00])],
  ['a text as a binary frame', Buffer.from('{"command":"dance"}')],
  ['nothing at all', ''],
] as const) {
  test(`the cable ignores ${about}, and the session goes on`, async t => {
    const cable = await startCable(t, ['--noauth'])
    const client = await cable.connect()
    await client.next()
    client.send(message)

    assert.equal((await client.subscribe(turbo('a'))).type, 'confirm_subscription')
  })
}

test('the cable obeys a command in a binary frame, as the reference does', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  client.send(Buffer.from(JSON.stringify({ command: 'subscribe', identifier: turbo('a') })))

  assert.equal((await client.next()).type, 'confirm_subscription')
})

test('the cable closes with 1009 after a message over the limit, and accepts one at the limit', async t => {
  const cable = await startCable(t, ['--noauth', '--max_message_size=2000'])
  const [at, over] = [await cable.connect(), await cable.connect()]
  at.send(' '.repeat(2000))
  over.send(' '.repeat(2001))

  assert.equal((await over.closed).code, 1009)
  await at.next()
  assert.equal((await at.subscribe(turbo('a'))).type, 'confirm_subscription')
})

test('the cable closes with 1007 after text that is not UTF-8, and with 1002 after a broken frame', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [text, broken] = [await cable.connect(), await cable.connect()]
  socketOf(text.ws).write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))
  socketOf(broken.ws).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))

  assert.equal((await text.closed).code, 1007)
  assert.equal((await broken.closed).code, 1002)
})
