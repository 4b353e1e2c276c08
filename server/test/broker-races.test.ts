/**
 * Clients that come and go while messages fly and the broker answers late: every subscription gets what it must, whatever
 * overtakes what.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { type Client, EXTENDED, type Frame } from '../../testing/client.ts'
import { type DelayedCable, delayedCable, testSeeds } from './delayed-cable.ts'
import { events, eventsUrl } from './event-reader.ts'
import { open } from './test-cable.ts'

/** So many that clients often are the first on one. */
const STREAMS = Array.from({ length: 12 }, (_, n) => `stream/${n}`)

/** One subscription of a client, from a subscribe to the next. */
interface Period {
  readonly stream: string
  /** The offset after which it asked for everything; `undefined`: it began "now". */
  readonly from: number | undefined
  isOver: boolean
}

/** A client that enters and leaves streams at random, and what it asked for. */
async function wander({ cable, memory }: DelayedCable, client: Client, random: Random, steps: number) {
  const periods: Period[] = []
  for (let step = 0; step < steps; step++) {
    const stream = random.pick(STREAMS)
    const identifier = open(stream)
    const present = periods.find(period => period.stream === stream && !period.isOver)
    if (present !== undefined) {
      client.send({ command: 'unsubscribe', identifier })
      present.isOver = true
    }
    if (present === undefined || random.next() < 0.6) {
      const isAsking = random.next() < 0.6
      const from = isAsking ? Number((await cable.position()).split('/')[0]) : undefined
      const history = { streams: { [stream]: { epoch: memory.epoch, offset: from } } }
      client.send({ command: 'subscribe', identifier, ...(isAsking ? { history } : {}) })
      periods.push({ stream, from, isOver: false })
    }
    await pause(random.next() * 30)
  }
  return periods
}

async function publish({ cable }: DelayedCable, random: Random, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { status } = await cable.post({ stream: random.pick(STREAMS), data: String(n) })
    assert.equal(status, 201)
  }
}

/** The offsets that each period got. */
function read(frames: readonly Frame[], periods: readonly Period[]): number[][] {
  const begun = new Map<string, number>()
  const got = periods.map((): number[] => [])
  for (const { type, identifier = '', offset } of frames) {
    const nth = (begun.get(identifier) ?? 0) + (type === 'confirm_subscription' ? 1 : 0)
    begun.set(identifier, nth)
    const period = periods.filter(({ stream }) => open(stream) === identifier)[nth - 1]
    if (offset !== undefined) got[periods.indexOf(period!)]!.push(offset)
  }
  return got
}

testSeeds(
  'clients that enter and leave streams while messages fly miss nothing and get nothing twice',
  30,
  async (t, seed) => {
    const delayed = await delayedCable(t, seed, ['--history_limit=1000'])
    const { cable, broker, memory } = delayed
    const clients = await Promise.all([1, 2].map(() => cable.welcomed()))
    const flying = [1, 2, 3, 4, 5, 6].map(n => publish(delayed, new Random(100 * seed + n), 30))
    const wandered = await Promise.all(
      clients.map((client, n) => wander(delayed, client, new Random(1000 * seed + n), 25)),
    )
    await Promise.all(flying)
    // A subscription that began "now" begins once the broker has answered.
    await broker.settled()
    for (const stream of STREAMS) await cable.post({ stream, data: '"last"' })
    await broker.settled()

    for (const [n, client] of clients.entries()) {
      client.send({ command: 'ping' })
      const periods = wandered[n]!
      const got = read(await client.until(({ type }) => type === 'pong'), periods)
      for (const [at, { stream, from, isOver }] of periods.entries()) {
        const offsets = memory.since(stream, 0).map(({ offset }) => offset)
        const since = from ?? (got[at]![0] ?? Infinity) - 1
        const due = offsets.filter(offset => offset > since)
        assert.deepEqual(got[at], isOver ? due.slice(0, got[at]!.length) : due, `client ${n}, period ${at}`)
        if (!isOver) assert.equal(got[at]!.at(-1), offsets.at(-1))
      }
    }
  },
)

testSeeds('a message that is published after the client has read its confirmation reaches it', 20, async (t, seed) => {
  const { cable } = await delayedCable(t, seed)
  const client = await cable.welcomed()
  for (const stream of STREAMS) {
    await client.confirmed(open(stream))
    assert.equal((await cable.post({ stream, data: `"${stream}"` })).status, 201)
    assert.equal((await client.next()).message, stream)
  }
})

testSeeds(
  'a resumed client gets each missed message once, however far the feed is behind, and whatever it asks',
  40,
  async (t, seed) => {
    const { cable, broker } = await delayedCable(t, seed)
    const random = new Random(seed)
    const first = await cable.welcomed({ protocols: EXTENDED })
    await first.confirmed(open('a'))
    await cable.broadcast('a', 'zero')
    const { epoch, offset } = await first.next()
    await first.drop()

    const client = await cable.welcomed({ protocols: EXTENDED, query: `?sid=${first.welcome.sid}` })
    const history = { streams: { a: { epoch, offset } } }
    // At about the time of the read, so that the replay may have them before the feed.
    const posted = cable.post(['1', '2', '3'].map(n => ({ stream: 'a', data: `"${n}"` })))
    await pause(random.next() * 60)
    client.command('history', open('a'), { history })
    const frames = await client.until(({ type }) => type === 'confirm_history')
    for (let n = random.below(3); n > 0; n--) {
      client.command('history', open('a'), { history })
      frames.push(...(await client.until(({ type }) => type === 'confirm_history')))
    }
    assert.equal((await posted).status, 201)
    // (Longer than a resumed subscription waits for its client.)
    await pause(2_100)
    await broker.settled()
    await cable.broadcast('a', 'end')
    frames.push(...(await client.until(({ message }) => message === 'end')))

    assert.deepEqual(
      frames.flatMap(({ message }) => message ?? []),
      ['1', '2', '3', 'end'],
    )
  },
)

testSeeds('a client with a fast clock misses nothing while another replay runs', 30, async (t, seed) => {
  const { cable } = await delayedCable(t, seed)
  const client = await cable.welcomed()
  client.command('subscribe', open('first'))
  client.command('subscribe', open('second'), { history: { since: Math.ceil(Date.now() / 1000) + 60 } })
  await client.until(({ type, identifier }) => type === 'confirm_subscription' && identifier === open('second'))

  await cable.broadcast('second', 'new')

  const frames = [await client.next(), await client.next()]
  assert.deepEqual(frames.map(({ message, type }) => message ?? type).sort(), ['confirm_history', 'new'])
})

testSeeds('after a gap a client gets what it asks for, also what its node has not heard of', 20, async (t, seed) => {
  const { cable, memory } = await delayedCable(t, seed)
  // (No client listens, so the node may never learn of them.)
  await cable.broadcast('a', 'one')
  await cable.broadcast('a', 'two')
  const client = await cable.welcomed()
  const ask = (command: string, epoch: string) =>
    client.command(command, open('a'), { history: { streams: { a: { epoch, offset: 1 } } } })
  ask('subscribe', 'other')
  await client.until(({ type }) => type === 'reject_history')
  ask('history', memory.epoch)

  const frames = await client.until(({ type }) => type === 'confirm_history')
  assert.deepEqual(
    frames.flatMap(({ message }) => message ?? []),
    ['two'],
  )
})

testSeeds('a request for what comes from now on brings nothing from before the subscription', 20, async (t, seed) => {
  const { cable } = await delayedCable(t, seed)
  // (No client listens, so the node may never learn of them.)
  await cable.broadcast('a', 'one')
  await cable.broadcast('a', 'two')
  const client = await cable.welcomed()
  client.command('subscribe', open('a'), { history: { streams: { a: { epoch: 'other', offset: 1 } } } })
  await client.until(({ type }) => type === 'reject_history')

  client.command('history', open('a'), { history: { streams: {} } })

  const frames = await client.until(({ type }) => type === 'confirm_history')
  assert.deepEqual(
    frames.flatMap(({ message }) => message ?? []),
    [],
  )
})

for (const [about, isGone, last] of [
  ['its replay', false, /data: .*missed/],
  ['it learns of its gap', true, /event: reject_history/],
] as const) {
  testSeeds(`a page of server-sent events that reconnects before ${about} misses nothing`, 10, async (t, seed) => {
    const { cable } = await delayedCable(t, seed, ['--sse'])
    const position = await cable.position()
    await cable.broadcast('a', 'missed')
    const query = `?stream=a&position=${isGone ? '1/gone' : position}`
    const { body } = await fetch(eventsUrl(cable, query))

    let text = ''
    for await (const part of body!.pipeThrough(new TextDecoderStream())) {
      text += part
      if (last.test(text)) break
    }

    // With an id the page would start behind what it misses.
    assert.doesNotMatch(text.split(last)[0]!.split('\n\n').slice(0, -1).join('\n\n'), /^id:/m)
  })
}

testSeeds('a client of server-sent events has a place from its first moment on', 10, async (t, seed) => {
  const { cable } = await delayedCable(t, seed, ['--sse'])
  await cable.broadcast('a', 'old')
  const first = await events(t, cable, '?stream=a')
  while (first.lastEventId === '') await Promise.race([first.next(), cable.broadcast('other', 'x')])
  first.abort()
  await cable.broadcast('a', 'missed')

  const { next } = await events(t, cable, '?stream=a', { lastEventId: first.lastEventId })

  const data: unknown[] = []
  while (data.at(-1) !== 'missed') data.push((await next())?.data)
})
