/** Action Cable's channels in a real Rails app, over HTTP and over gRPC: the channels are as Rails has them. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { type Client, connect, EXTENDED, turboIdentifier } from '../../testing/client.ts'
import type { Transport } from '../../testing/rpc-app.ts'
import { findAnycable, type Server, startAnycable, startHotcable } from '../conformance/servers.ts'
import { jwt, sign } from '../conformance/signing.ts'
import { type Chat, chatIdentifier, enter, missingFor, NEWS, perform, SECRET, startChat } from './rails-chat.ts'

const BROADCAST_KEY = createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')
const SIGNED = sign('signed', SECRET)
const TOKEN = `?jid=${jwt({ ext: '{"user":"signed"}' }, { secret: SECRET })}`
const ROOM = chatIdentifier('green')
const START = { hotcable: startHotcable, anycable: startAnycable(findAnycable() ?? '') } as const
/** Runs the same tests on the real AnyCable. */
const kind = process.env.HOTCABLE_E2E_CABLE === 'anycable' ? 'anycable' : 'hotcable'

interface Stack {
  readonly chat: Chat
  readonly server: Server
}

async function startStack(t: TestContext, transport: Transport): Promise<Stack> {
  const [own, rpc] = await freePorts(2)
  const host = transport === 'http' ? `http://127.0.0.1:${own}/_anycable` : `127.0.0.1:${rpc}`
  const flags = [
    `--rpc_host=${host}`,
    `--secret=${SECRET}`,
    '--headers=cookie,origin',
    '--turbo_streams',
    '--broker=memory',
    // So long a client that left may come back, and Rails hears nothing.
    '--presence_ttl=1',
    '--broadcast_adapter=http',
    '--shutdown_timeout=2',
  ]
  const server = await START[kind](flags)
  t.after(() => server.stop())
  const chat = await startChat(t, transport, { broadcastUrl: server.broadcast, port: own!, rpcPort: rpc! })
  return { chat, server }
}

/** The frames of the next message with these fields, and those before it. */
const message = async (client: Client, fields: object): Promise<void> => {
  await client.until(({ message }) =>
    Object.entries(fields).every(([name, value]) => (message as Record<string, unknown> | undefined)?.[name] === value),
  )
}

async function publish(server: Server, stream: string, data: unknown): Promise<void> {
  const headers = { authorization: `Bearer ${BROADCAST_KEY}` }
  const body = JSON.stringify({ stream, data: JSON.stringify(data) })
  assert.equal((await fetch(server.broadcast, { method: 'POST', headers, body })).status, 201)
}

for (const transport of ['http', 'grpc'] as const) {
  test(`the channels of a Rails app work over ${transport}`, { skip: missingFor(transport) }, async t => {
    const { chat, server } = await startStack(t, transport)
    const [ada, bob] = [
      await enter(t, server.cable, chat, 'ada', { protocols: EXTENDED }),
      await enter(t, server.cable, chat, 'bob'),
    ]

    await t.test('Rails refuses a visitor without a login, and the page of another site', async t => {
      const stranger = await connect(t, server.cable, { headers: { origin: chat.url } })
      assert.deepEqual(await stranger.next(), { type: 'disconnect', reason: 'unauthorized', reconnect: false })
      await stranger.closed
      const cookie = await chat.login('eve')
      const foreign = await connect(t, server.cable, { headers: { cookie, origin: 'http://evil.test' } })
      assert.deepEqual(await foreign.next(), { type: 'disconnect', reason: 'invalid_request', reconnect: false })
      await foreign.closed
    })

    await t.test('a subscription is confirmed, or rejected, and its client joins the presence', async () => {
      const closed = chatIdentifier('closed')
      assert.deepEqual(await bob.subscribe(closed), { type: 'reject_subscription', identifier: closed })
      await ada.confirmed(ROOM)
      const join = await ada.next()
      assert.deepEqual([join.type, join.identifier], ['presence', ROOM])
      const { type, id, info } = join.message as Record<string, unknown>
      assert.deepEqual({ type, id, info }, { type: 'join', id: 'ada', info: { name: 'ada' } })
      await bob.confirmed(ROOM)
      await ada.until(({ message }) => (message as { id?: string }).id === 'bob')
      ada.command('presence', ROOM)
      const { message } = await ada.next()
      const { records } = message as { records: { id: string }[] }
      assert.deepEqual(records.map(({ id }) => id).sort(), ['ada', 'bob'])
    })

    await t.test('an action transmits, and broadcasts, and its state lives on', async () => {
      perform(ada, ROOM, 'ask', { text: 'louder' })
      await message(ada, { answer: 'LOUDER' })
      for (const spoken of [1, 2]) {
        perform(ada, ROOM, 'speak', { text: 'hello' })
        await Promise.all([ada, bob].map(client => message(client, { by: 'ada', text: 'hello', spoken })))
      }
    })

    await t.test('a whisper reaches the others of the room', async () => {
      ada.command('whisper', ROOM, { data: { typing: true } })
      await message(bob, { typing: true })
    })

    await t.test('a broadcast to others leaves out the page that made it', async () => {
      const { sid } = ada
      await chat.say('green', 'from a form', sid)
      await message(bob, { text: 'from a form' })
      perform(bob, ROOM, 'speak', { text: 'after it' })
      const frames = await ada.until(({ message }) => (message as { text?: string }).text === 'after it')
      assert.equal(JSON.stringify(frames).includes('from a form'), false)
    })

    await t.test('streams begin and end between commands', async () => {
      perform(bob, ROOM, 'follow', { topic: 'sport' })
      perform(bob, ROOM, 'ask', { text: 'a' })
      await message(bob, { answer: 'A' })
      await publish(server, 'sport', { score: 1 })
      await message(bob, { score: 1 })
      perform(bob, ROOM, 'unfollow', { topic: 'sport' })
      perform(bob, ROOM, 'ask', { text: 'b' })
      await message(bob, { answer: 'B' })
      await publish(server, 'sport', { score: 2 })
      perform(bob, ROOM, 'speak', { text: 'still here' })
      await message(ada, { text: 'still here' })
      const frames = await bob.until(({ message }) => (message as { text?: string }).text === 'still here')
      assert.equal(JSON.stringify(frames).includes('score'), false)
      perform(bob, ROOM, 'quiet')
      perform(bob, ROOM, 'ask', { text: 'c' })
      await message(bob, { answer: 'C' })
      perform(ada, ROOM, 'speak', { text: 'into silence' })
      await message(ada, { text: 'into silence' })
      perform(bob, ROOM, 'ask', { text: 'd' })
      const quiet = await bob.until(({ message }) => (message as { answer?: string }).answer === 'D')
      assert.equal(JSON.stringify(quiet).includes('into silence'), false)
    })

    await t.test('an action that raises breaks nothing', async () => {
      perform(ada, ROOM, 'fail')
      perform(ada, ROOM, 'ask', { text: 'still' })
      await message(ada, { answer: 'STILL' })
    })

    await t.test('the app disconnects a user, and callbacks run once for each that leaves', async t => {
      const watching = await enter(t, server.cable, chat, 'dora')
      await watching.confirmed(NEWS)
      const other = await enter(t, server.cable, chat, 'bob')
      await other.confirmed(ROOM)
      perform(ada, ROOM, 'kick', { user: 'bob' })
      for (const kicked of kind === 'hotcable' ? [bob, other] : [bob]) {
        const frames = await kicked.until(({ type }) => type === 'disconnect')
        assert.deepEqual(frames.at(-1), { type: 'disconnect', reason: 'remote', reconnect: false })
      }
      await message(watching, { left: 'bob' })
      ada.command('unsubscribe', ROOM)
      await message(watching, { closed: 'green', by: 'ada', spoken: 3 })
      ada.ws.close()
      await message(watching, { left: 'ada' })
    })

    await t.test('a client whose app hangs waits, and a client that asks no app does not', async t => {
      const [waiting, other] = [
        await enter(t, server.cable, chat, 'ada'),
        await connect(t, server.cable, { query: TOKEN }),
      ]
      await other.welcomed()
      await other.confirmed(turboIdentifier(SIGNED))
      process.kill(chat.pid, 'SIGSTOP')
      waiting.command('subscribe', ROOM)
      await publish(server, 'signed', 'meanwhile')
      assert.equal((await other.next()).message, 'meanwhile')
      process.kill(chat.pid, 'SIGCONT')
      assert.deepEqual(await waiting.next(), { type: 'confirm_subscription', identifier: ROOM })
    })

    await t.test('a client notices nothing of an app that restarts', async t => {
      const client = await enter(t, server.cable, chat, 'ada')
      await client.confirmed(ROOM)
      assert.match(await chat.stop(), /Request origin not allowed: http:\/\/evil\.test/)
      const { port } = new URL(chat.url)
      const rpcPort = Number(chat.rpcHost.split(':').at(-1))
      await startChat(t, transport, {
        broadcastUrl: server.broadcast,
        port: Number(port),
        ...(transport === 'grpc' ? { rpcPort } : {}),
      })
      perform(client, ROOM, 'ask', { text: 'again' })
      await message(client, { answer: 'AGAIN' })
    })
  })
}
