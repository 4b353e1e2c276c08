/** Subscriptions on the wire: confirmed, rejected with a code, silent, and in the order of the commands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sign, startCable, turbo } from './test-cable.ts'

test('the cable echoes an identifier byte for byte, whatever a page adds to it', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  const odd = `{ "signed_stream_name": "${sign('a')}", "position":"12/aZ3x",\n"channel" :"Turbo::StreamsChannel","é":"\\u00e9 </script>" }`

  assert.equal((await client.subscribe(odd)).identifier, odd)
  await cable.broadcast('a', 'x')
  assert.equal((await client.next()).identifier, odd)
})

test('the cable does not answer a second subscribe or an unsubscribe, and handles both in order', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  const identifier = turbo('a')
  for (const command of ['subscribe', 'subscribe', 'unsubscribe', 'unsubscribe', 'subscribe'])
    client.send({ command, identifier })

  assert.equal((await client.next()).type, 'confirm_subscription')
  assert.equal((await client.next()).type, 'confirm_subscription')
  await cable.broadcast('a', 'once')
  await cable.broadcast('a', 'more')
  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['once', 'more'])
})

test('after an unsubscribe nothing arrives', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))
  client.send({ command: 'unsubscribe', identifier: turbo('a') })
  await client.subscribe(turbo('b'))

  await cable.broadcast('a', 'gone')
  await cable.broadcast('b', 'here')

  assert.equal((await client.next()).message, 'here')
})

for (const [about, identifier, code] of [
  [
    'a forged name',
    JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'wrong') }),
    'stream_signature_mismatch',
  ],
  ['no name', JSON.stringify({ channel: 'Turbo::StreamsChannel' }), 'stream_name_missing'],
  ['a number for a name', JSON.stringify({ channel: '$pubsub', signed_stream_name: 7 }), 'stream_name_not_a_string'],
  ['an unsigned name', JSON.stringify({ channel: '$pubsub', stream_name: 'a' }), 'stream_not_public'],
  ['an unknown channel', JSON.stringify({ channel: 'ChatChannel' }), 'channel_unknown'],
  ['a channel that every object has', JSON.stringify({ channel: '__proto__' }), 'channel_unknown'],
  ['an identifier that is not JSON', 'chat', 'channel_unknown'],
  ['an identifier that is null', 'null', 'channel_unknown'],
  ['an identifier that never ends', JSON.stringify({ channel: 'x'.repeat(5000) }), 'identifier_too_long'],
] as const) {
  test(`the cable rejects ${about} with the same identifier, and the session goes on`, async t => {
    const cable = await startCable(t, ['--noauth', '--dev'])
    const client = await cable.connect()
    await client.next()

    const { fix, ...rejection } = await client.subscribe(identifier)

    assert.deepEqual(rejection, { type: 'reject_subscription', identifier, code })
    assert.equal((await client.subscribe(turbo('a'))).type, 'confirm_subscription')
  })
}

test('the cable rejects a subscribe without an identifier without one', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  client.send({ command: 'subscribe' })

  assert.deepEqual(await client.next(), { type: 'reject_subscription' })
})

test('the cable rejects subscriptions past the limit, and other clients do not notice', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=5', '--max_command_burst=2000'])
  const [flooding, calm] = [await cable.connect(), await cable.connect()]
  await Promise.all([flooding.next(), calm.next()])
  await calm.subscribe(turbo('a'))
  for (let i = 0; i < 2000; i++) flooding.send({ command: 'subscribe', identifier: turbo('a', { i }) })

  const answers = []
  for (let i = 0; i < 2000; i++) answers.push((await flooding.next()).type)

  assert.equal(answers.filter(type => type === 'confirm_subscription').length, 10)
  await cable.broadcast('a', 'still here')
  assert.equal((await calm.next()).message, 'still here')
})
