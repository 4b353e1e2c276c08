/**
 * Clients whose admission waits for the app: their commands wait, and whatever ends the wait leaves nothing behind.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { EXTENDED } from '../../testing/client.ts'
import { openRaw } from '../../testing/raw.ts'
import { SessionRefused } from '../errors.ts'
import type { Connect } from '../session/identify.ts'
import type { Identity } from '../session/identity.ts'
import type { Resumables } from '../session/resumables.ts'
import { events } from './event-reader.ts'
import { counted, METRICS, open, refused, startCable, type TestCable, token } from './test-cable.ts'

const FLAGS = ['--public_streams', METRICS]
const ADA = { identity: 'ada', expires: undefined, anonymous: false }

/** A cable whose app answers each caller when the test says so. */
async function start(t: TestContext, flags: string[] = []) {
  const callers: PromiseWithResolvers<Identity>[] = []
  const connect: Connect = () => {
    const answer = Promise.withResolvers<Identity>()
    callers.push(answer)
    return answer.promise
  }
  const cable = await startCable(t, [...FLAGS, ...flags], { connect })
  return { cable, callers, arriving: (count: number) => arriving(cable, count) }
}

async function arriving(cable: TestCable, count: number): Promise<void> {
  while ((await counted(cable, 'arriving_num')) !== count);
}

/** A client's text frame, with a mask of zeros. */
function frame(text: string): Buffer {
  const head = text.length < 126 ? [0x81, 0x80 | text.length] : [0x81, 0xfe, text.length >> 8, text.length & 255]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), Buffer.from(text, 'latin1')])
}

const HANDSHAKE = `GET /cable HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${createHash('md5').update('').digest('base64')}\r\n\r\n`

describe('behind a handshake whose answer waits', { concurrency: true }, () => {
  for (let seed = 1; seed <= 8; seed++) {
    test(`the cable executes all commands in order, after the welcome: seed ${seed}`, async t => {
      const random = new Random(seed)
      const connect: Connect = async () => {
        await pause(random.next() * 50)
        return ADA
      }
      const cable = await startCable(t, FLAGS, { connect })
      const observer = await cable.welcomed()
      await observer.confirmed(open('room'))

      await Promise.all(Array.from({ length: 20 }, (_, n) => talk(t, cable, random, `${n}`)))

      const told = new Map<string, number[]>()
      for (let left = 200; left > 0; left--) {
        const [name, n] = String((await observer.next()).message).split(' ') as [string, string]
        told.set(name, [...(told.get(name) ?? []), Number(n)])
      }
      for (const numbers of told.values()) assert.deepEqual(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    })
  }
})

/** Writes ten whispers with the handshake, in pieces of random sizes. */
async function talk(t: TestContext, cable: TestCable, random: Random, name: string): Promise<void> {
  const commands = [{ command: 'subscribe', identifier: open('room') }]
  const whispers = Array.from({ length: 10 }, (_, n) => `${name} ${n}`)
  const all = [...commands, ...whispers.map(data => ({ command: 'whisper', identifier: open('room'), data }))]
  const frames = [...all, { command: 'ping' }].map(command => frame(JSON.stringify(command)))
  const bytes = Buffer.concat([Buffer.from(HANDSHAKE), ...frames])
  const raw = openRaw(t, cable.url.cable)
  for (let at = 0; at < bytes.length; ) {
    const size = random.chance(0.5) ? bytes.length : 1 + random.below(400)
    await raw.written(bytes.subarray(at, at + size))
    at += size
  }
  const heard = await raw.until(/"type":"pong"/)
  const answers = [...heard.matchAll(/"type":"(welcome|confirm_subscription|pong)"/g)].map(([, type]) => type)
  assert.deepEqual(answers, ['welcome', 'confirm_subscription', 'pong'])
}

test('a client that leaves while it waits makes no session, and gives its place back', async t => {
  const { cable, callers, arriving } = await start(t, ['--max_unauthenticated=3'])
  for (let round = 0; round < 3; round++) {
    const clients = await Promise.all([cable.connect(), cable.connect()])
    await arriving(2)
    for (const client of clients) await client.drop()
    await arriving(0)
    for (const { resolve } of callers.splice(0)) resolve(ADA)
  }

  const client = await cable.connect()
  await arriving(1)
  callers[0]!.resolve(ADA)
  assert.equal((await client.next()).type, 'welcome')
  assert.equal((await cable.stats()).sessions, 1)
  assert.equal(await refused(cable, 'internal'), 0)
})

for (const [about, error, reason, code] of [
  ['a refusal of the app', new SessionRefused('token_missing'), 'unauthorized', 1000],
  ['a bug', new RangeError('broken'), 'internal_error', 1011],
] as const) {
  test(`${about} that comes later ends the connection, and the cable executes no waiting command`, async t => {
    const { cable, callers, arriving } = await start(t)
    const [client, other] = [await cable.connect(), await cable.connect()]
    await arriving(2)
    callers[1]!.resolve(ADA)
    await other.welcomed()
    await other.confirmed(open('room'))
    client.send({ command: 'subscribe', identifier: open('room') })
    client.send({ command: 'whisper', identifier: open('room'), data: 'psst' })
    callers[0]!.reject(error)

    assert.equal((await client.next()).reason, reason)
    assert.equal((await client.closed).code, code)
    assert.deepEqual(client.errors, [])
    await cable.broadcast('room', 'next')
    assert.equal((await other.next()).message, 'next')
    await arriving(0)
  })
}

test('a client that waits gets pings, and after 5 s has to reconnect, even if it sends commands', async t => {
  const { cable, callers, arriving } = await start(t, ['--ping_interval=1'])
  const [silent, eager] = [await cable.connect({ pings: true }), await cable.connect()]
  eager.send(...Array(100).fill({ command: 'ping' }))
  await arriving(2)

  assert.equal((await silent.next()).type, 'ping')
  for (const client of [silent, eager]) {
    const { type, reason, reconnect } = (await client.until(({ type }) => type !== 'ping')).at(-1)!
    assert.deepEqual([type, reason, reconnect], ['disconnect', 'admission_timeout', true])
    assert.equal((await client.closed).code, 1013)
  }
  assert.equal(await refused(cable, 'admission_timeout'), 2)
  for (const { resolve } of callers) resolve(ADA)
  assert.deepEqual([await counted(cable, 'arriving_num'), (await cable.stats()).sessions], [0, 0])
})

test('a stopping cable tells clients that wait to reconnect', async t => {
  const { cable, callers, arriving } = await start(t, ['--sse', '--shutdown_drain=0'])
  const [client, reading] = [await cable.connect(), events(t, cable, `?stream=room`)]
  await arriving(2)
  await cable.close()

  assert.equal((await client.next()).reason, 'server_restart')
  assert.equal((await client.closed).code, 1001)
  assert.equal((await (await reading).next())?.retry, '3000')
  for (const { resolve } of callers) resolve(ADA)
})

test('a remote disconnect meets an identity that the app names later', async t => {
  const { cable, callers, arriving } = await start(t)
  for (const reconnect of [true, false]) {
    const [ada, eve] = [await cable.connect(), await cable.connect()]
    await arriving(2)
    await cable.post({ command: 'disconnect', payload: { identifier: 'ada', reconnect } })
    const [first, second] = callers.splice(0)
    first!.resolve(ADA)
    second!.resolve({ ...ADA, identity: 'eve' })

    const [one, two] = await Promise.all([ada.next(), eve.next()])
    const disconnected = one.type === 'disconnect' ? one : two
    assert.deepEqual([disconnected.reason, disconnected.reconnect], ['remote', reconnect])
    assert.equal(one.type === 'welcome' || two.type === 'welcome', true)
  }
})

test('a remote disconnect, or the end of its token, ends the wait of a client for its former session', async t => {
  let now = Date.now()
  const lookUps: PromiseWithResolvers<undefined>[] = []
  const wrapResumables = (memory: Resumables): Resumables => ({
    ...{ keep: snapshot => memory.keep(snapshot), forget: identity => memory.forget(identity) },
    take() {
      const lookUp = Promise.withResolvers<undefined>()
      lookUps.push(lookUp)
      return lookUp.promise
    },
  })
  const cable = await startCable(t, [METRICS, '--jwt_close_on_expiry'], { wrapResumables, wall: () => now })
  const query = `?sid=former&jid=${token({ ext: 'ada', exp: Math.floor(now / 1000) + 100 })}`
  const join = () => cable.connect({ query, protocols: EXTENDED })
  const [first, second] = [await join(), await join()]
  await arriving(cable, 2)
  await second.drop()
  await arriving(cable, 1)
  const disconnect = { command: 'disconnect', payload: { identifier: 'ada', reconnect: true } }
  assert.equal((await cable.post(disconnect)).status, 201)

  const { reason, reconnect } = await first.next()
  assert.deepEqual([reason, reconnect], ['remote', true])
  await arriving(cable, 0)

  const third = await join()
  await arriving(cable, 1)
  now += 200_000
  for (const { resolve } of lookUps) resolve(undefined)
  assert.equal((await third.next()).reason, 'token_expired')
  assert.equal((await cable.stats()).sessions, 0)
})

test('a client of server-sent events waits, too, and may be refused or leave', async t => {
  const { cable, callers, arriving } = await start(t, ['--sse'])
  const admitted = events(t, cable, '?stream=room')
  await arriving(1)
  callers.splice(0)[0]!.resolve(ADA)
  assert.equal((await (await admitted).next())?.event, 'welcome')

  const denied = events(t, cable, '?stream=room')
  await arriving(1)
  callers.splice(0)[0]!.reject(new SessionRefused('token_missing'))
  assert.equal((await denied).response.status, 401)

  const aborter = new AbortController()
  const left = fetch(`${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}?stream=room`, aborter)
  await arriving(1)
  aborter.abort()
  await assert.rejects(left)
  await arriving(0)
  callers.splice(0)[0]!.resolve(ADA)
  assert.equal((await cable.stats()).sessions, 1)
})

test('clients that wait count for --max_unauthenticated', async t => {
  const { cable, callers } = await start(t, ['--max_unauthenticated=100', '--handshake_timeout=3600'])
  const cut = Promise.withResolvers<void>()
  let left = 150
  for (let n = 0; n < 250; n++) {
    const raw = openRaw(t, cable.url.cable)
    raw.write(HANDSHAKE)
    void raw.closed.then(() => --left === 0 && cut.resolve())
  }
  await cut.promise
  while (callers.length < 100) await setImmediate()

  for (const { resolve } of callers) resolve(ADA)
  await cable.until(({ sessions }) => sessions === 100)
  assert.equal(callers.length, 100)
})

test('of a thousand clients that wait and send commands, the cable reads 64 KiB each at most', async t => {
  // (A busy machine takes more than 5 s to read a thousand handshakes.)
  const { cable, callers, arriving } = await start(t, ['--handshake_timeout=3600'])
  const commands = Buffer.concat(Array(10_000).fill(frame('{"command":"ping","identifier":""}')))
  for (let n = 0; n < 1000; n++) {
    const raw = openRaw(t, cable.url.cable)
    raw.write(HANDSHAKE)
    raw.write(commands)
  }
  while (callers.length < 1000) await setImmediate()
  const read = () => counted(cable, 'data_rcvd_total')
  while ((await read()) < 100_000);

  for (const { reject } of callers) reject(new SessionRefused('token_missing'))
  await arriving(0)
  assert.ok((await read()) <= 1000 * 65_536, `${await read()} bytes`)
})
