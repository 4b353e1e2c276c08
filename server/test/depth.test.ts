/** Nested JSON: too deep a text ends no process, and any other text arrives unchanged. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Client } from '../../testing/client.ts'
import { sign, startCable } from './test-cable.ts'

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const open = JSON.stringify({ channel: '$pubsub', stream_name: 'room' })
const escaped = JSON.stringify(open)

async function startRoom(t: TestContext) {
  const cable = await startCable(t, ['--noauth', '--public'])
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  for (const client of [ada, bob]) await client.confirmed(open)
  return { cable, ada, bob, logged: (code: string) => cable.lines.filter(line => line.includes(`code=${code}`)).length }
}

/** The next frame, as text. */
const nextText = ({ ws }: Client) => new Promise<string>(resolve => ws.once('message', data => resolve(String(data))))

for (const [about, command] of [
  ['the data of a whisper', `{"command":"whisper","identifier":${escaped},"data":DEEP}`],
  ['the info of a join', `{"command":"join","identifier":${escaped},"presence":{"id":"ada","info":DEEP}}`],
  [
    'the info of a subscription',
    `{"command":"subscribe","identifier":${JSON.stringify(JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('room') }))},"presence":{"id":"ada","info":DEEP}}`,
  ],
  ['a request for history', `{"command":"history","identifier":${escaped},"history":{"since":1,"streams":DEEP}}`],
  ['an unknown field', `{"command":"whisper","identifier":${escaped},"data":1,"x":DEEP}`],
] as const) {
  test(`the cable ignores a command with more than 64 levels, and the session goes on: ${about}`, async t => {
    const { ada, bob, logged } = await startRoom(t)
    for (const levels of [65, 5_000, 16_000]) ada.send(command.replace('DEEP', nested(levels)))
    ada.send({ command: 'whisper', identifier: open, data: 'well' })

    assert.equal((await bob.next()).message, 'well')
    assert.equal(logged('command_too_deep'), 3)
    assert.equal(logged('internal'), 0)
  })
}

test('the cable rejects an identifier with more than 64 levels', async t => {
  const { ada, logged } = await startRoom(t)
  const identifier = `{"channel":"$pubsub","stream_name":"room","x":${nested(1_000)}}`

  assert.deepEqual(await ada.subscribe(identifier), { type: 'reject_subscription', identifier })
  assert.equal(logged('identifier_too_deep'), 1)
})

test('whispers with 64 levels, and their numbers, arrive unchanged', async t => {
  const { ada, bob } = await startRoom(t)
  for (const text of [nested(63), '1e400', '-0', '123456789012345678901234567890', ' [ 1e-400 , "\\u0000\\"]" ] ']) {
    const whispered = nextText(bob)
    ada.send(`{"data":1,"identifier":${escaped},"command":"whisper","data":${text}}`)
    assert.equal(await whispered, `{"identifier":${escaped},"message":${text.trim()}}`)
  }
})

test('presence infos with 64 levels, and their numbers, arrive unchanged', async t => {
  const { cable, ada, bob } = await startRoom(t)
  const info = `[${nested(61)},1e400,-0]`
  const joined = nextText(bob)
  ada.send(`{"command":"join","identifier":${escaped},"presence":{"id":"é\\"","info":${info}}}`)
  const id = '"é\\""'
  assert.equal(
    await joined,
    `{"type":"presence","identifier":${escaped},"message":{"id":${id},"info":${info},"type":"join"}}`,
  )

  const told = nextText(bob)
  bob.send({ command: 'presence', identifier: open })
  const message = `{"type":"info","total":1,"records":[{"info":${info},"id":${id}}]}`
  assert.equal(await told, `{"type":"presence","identifier":${escaped},"message":${message}}`)
  const answer = await fetch(`${cable.url.api}/presence/room/users`, {
    headers: { authorization: `Bearer ${cable.apiKey}` },
  })
  assert.equal(await answer.text(), message)
})

test('a broadcast arrives unchanged, however deep it is', async t => {
  const { cable, bob } = await startRoom(t)
  for (const data of [nested(5_000), '1e400', '-0', '123456789012345678901234567890']) {
    const sent = nextText(bob)
    await cable.post({ stream: 'room', data })
    assert.ok((await sent).startsWith(`{"identifier":${escaped},"message":${data},`))
  }
})
