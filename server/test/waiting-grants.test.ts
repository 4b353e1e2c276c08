/**
 * Subscriptions whose grant comes later: the session's later commands wait for it, in their order.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import type { StreamGrant } from '../channels/channels.ts'
import { SubscriptionRejected } from '../errors.ts'
import { events } from './event-reader.ts'
import { counted, METRICS, open, refused, startCable } from './test-cable.ts'

const ASKED = JSON.stringify({ channel: 'asked', stream: 'secret' })

/** A cable that answers each subscribe to the channel `asked` when the test says so. */
async function start(t: TestContext, flags: string[] = []) {
  const asked: (PromiseWithResolvers<StreamGrant> & { identity: string })[] = []
  const cable = await startCable(t, ['--public', '--sse', METRICS, ...flags], {
    wrapResolve:
      channels =>
      (identifier, { identity }) => {
        if (JSON.parse(identifier).channel !== 'asked') return channels(identifier)
        const answer = Object.assign(Promise.withResolvers<StreamGrant>(), { identity })
        asked.push(answer)
        return answer.promise
      },
  })
  const grant = (): StreamGrant => ({
    ...{ streams: [JSON.parse(ASKED).stream], kind: 'data', whisper: 'secret', presence: undefined },
    ...{ events: false, position: undefined },
  })
  return {
    cable,
    asked,
    grant,
    /** Resolves with the next question. */
    async question() {
      while (asked.length === 0) await setImmediate()
      return asked.shift()!
    },
  }
}

test('commands wait for the grant of an earlier subscribe, and then run in their order', async t => {
  const { cable, question, grant } = await start(t)
  const [client, other] = [await cable.welcomed(), await cable.welcomed()]
  await other.confirmed(open('room'))
  client.command('subscribe', ASKED)
  client.command('whisper', ASKED, { data: 'psst' })
  client.command('unsubscribe', ASKED)
  client.command('subscribe', ASKED)
  client.command('subscribe', open('room'))
  client.send({ command: 'ping' })
  const first = await question()
  assert.equal(first.identity, JSON.stringify({ sid: client.welcome.sid }))
  await cable.broadcast('room', 'before')
  assert.equal((await other.next()).message, 'before')
  first.resolve(grant())
  ;(await question()).reject(new SubscriptionRejected('channel_unknown'))

  const frames = await client.until(({ type }) => type === 'pong')
  assert.deepEqual(
    frames.map(({ type, identifier }) => [type, identifier]),
    [
      ['confirm_subscription', ASKED],
      ['reject_subscription', ASKED],
      ['confirm_subscription', open('room')],
      ['pong', undefined],
    ],
  )
})

test('a subscribe that the client repeats while it waits is one question, and has one answer', async t => {
  const { cable, asked, question } = await start(t)
  const client = await cable.welcomed()
  for (let n = 0; n < 20; n++) client.command('subscribe', ASKED)
  client.send({ command: 'ping' })
  const { reject } = await question()
  while ((await refused(cable, 'already_subscribed')) < 19) await setImmediate()
  reject(new SubscriptionRejected('channel_unknown'))

  const frames = await client.until(({ type }) => type === 'pong')
  assert.deepEqual(
    frames.map(({ type }) => type),
    ['reject_subscription', 'pong'],
  )
  assert.equal(asked.length, 0)
})

test('the last commands of a client that leaves while they wait are executed, but no further subscribe', async t => {
  const { cable, asked, question, grant } = await start(t)
  const [client, other] = [await cable.welcomed(), await cable.welcomed()]
  await other.confirmed(open('room'))
  await client.confirmed(open('room'))
  client.command('subscribe', ASKED)
  client.command('subscribe', ASKED.replace('secret', 'more'))
  client.command('whisper', open('room'), { data: 'bye' })
  const { resolve } = await question()
  await client.drop()
  await cable.until(({ sessions }) => sessions === 2)
  resolve(grant())

  assert.equal((await other.next()).message, 'bye')
  await cable.until(({ sessions }) => sessions === 1)
  assert.equal(asked.length, 0)
  assert.equal(await refused(cable, 'internal'), 0)
})

test('an answer that comes after the end of the session changes nothing', async t => {
  const { cable, question, grant } = await start(t)
  for (const answer of ['grant', 'rejection']) {
    const client = await cable.welcomed()
    client.command('subscribe', ASKED)
    client.command('subscribe', open('room'))
    const { resolve, reject } = await question()
    const identifier = JSON.stringify({ sid: client.welcome.sid })
    await cable.post({ command: 'disconnect', payload: { identifier } })
    assert.equal((await client.next()).reason, 'remote')
    await client.closed
    if (answer === 'grant') resolve(grant())
    else reject(new SubscriptionRejected('channel_unknown'))
  }
  await cable.until(({ sessions, streams }) => sessions === 0 && streams === 0)
  assert.equal(await refused(cable, 'internal'), 0)
})

test('of a client that sends commands while an answer is due, the cable reads 128 KiB at most', async t => {
  const { cable, question, grant } = await start(t, ['--max_command_burst=100000'])
  const client = await cable.welcomed()
  client.command('subscribe', ASKED)
  const { resolve } = await question()
  const ping = JSON.stringify({ command: 'ping', identifier: 'x'.repeat(1000) })
  client.send(...Array(1000).fill(ping))
  while ((await counted(cable, 'data_rcvd_total')) < 16_384) await setImmediate()
  const other = await cable.welcomed()
  for (let n = 0; n < 100; n++) {
    other.send({ command: 'ping' })
    await other.next()
  }

  assert.ok((await counted(cable, 'data_rcvd_total')) < 128 * 1024)
  resolve(grant())
  assert.equal((await client.next()).type, 'confirm_subscription')
  for (let n = 0; n < 1000; n++) assert.equal((await client.next()).type, 'pong')
})

test('a bug behind a grant that comes later ends the session, and the client may reconnect', async t => {
  const { cable, question } = await start(t)
  const client = await cable.welcomed()
  client.command('subscribe', ASKED)
  ;(await question()).reject(new RangeError('broken'))

  const { reason, reconnect } = await client.next()
  assert.deepEqual([reason, reconnect], ['internal_error', true])
  assert.equal((await client.closed).code, 1011)
})

test('the welcome of a resumed session does not wait for a grant: its client subscribes again', async t => {
  const { cable, question, grant } = await start(t)
  const client = await cable.welcomed({ protocols: EXTENDED })
  client.command('subscribe', ASKED)
  ;(await question()).resolve(grant())
  await client.next()
  await client.confirmed(open('room'))
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)

  const again = await cable.welcomed({ protocols: EXTENDED, query: `?sid=${client.welcome.sid}` })
  assert.deepEqual([again.welcome.restored, again.welcome.restored_ids], [true, [open('room')]])
  const { reject } = await question()
  reject(new SubscriptionRejected('channel_unknown'))
})

test('server-sent events begin when their grants are here; a refusal has its status, and a client may leave', async t => {
  const { cable, question, grant } = await start(t)
  const query = `?identifier=${encodeURIComponent(ASKED)}&identifier=${encodeURIComponent(open('room'))}`
  const granted = events(t, cable, query)
  ;(await question()).resolve(grant())
  const stream = await granted
  const told = [await stream.next(), await stream.next(), await stream.next()]
  assert.deepEqual(
    told.map(event => event?.event),
    ['welcome', 'confirm_subscription', 'confirm_subscription'],
  )
  await cable.broadcast('secret', 'now')
  assert.equal((await stream.next())?.data, 'now')
  stream.abort()

  const refusedEvents = events(t, cable, query)
  ;(await question()).reject(new SubscriptionRejected('channel_unknown'))
  assert.equal((await refusedEvents).response.status, 400)

  const aborter = new AbortController()
  const left = fetch(`${cable.url.cable.replace('ws', 'http').replace('/cable', '/events')}${query}`, aborter)
  const { resolve } = await question()
  aborter.abort()
  await assert.rejects(left)
  await cable.until(({ sessions }) => sessions === 0)
  resolve(grant())
  await cable.until(({ streams }) => streams === 0)
  assert.equal(await refused(cable, 'internal'), 0)
})
