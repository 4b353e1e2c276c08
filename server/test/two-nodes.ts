/**
 * Two cables in one process that share a broker, the sessions to resume, and presence, as nodes do: each reaches them only
 * after random delays.
 */
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { BrokerUnavailable, type Feed } from '../broker.ts'
import { createMemoryBroker, type SyncBroker } from '../brokers/memory.ts'
import { createMemoryHistory } from '../history/memory.ts'
import { createMemoryPresence } from '../presence/memory.ts'
import { eventMessage, type Presence } from '../presence/presence.ts'
import { isTheSame } from '../session/identity.ts'
import type { Resumables, Snapshot } from '../session/resumables.ts'
import { createDelayingBroker, type DelayingBroker, type Delays } from './delaying-broker.ts'
import { startCable, type TestCable } from './test-cable.ts'

export interface TestNode {
  readonly cable: TestCable
  readonly broker: DelayingBroker
  /** The way to the sessions and to presence. */
  readonly way: Way
  /** What both nodes share, by sid. */
  readonly sessions: ReadonlyMap<string, Snapshot>
}

export async function startNodes(t: TestContext, seed: number, flags: string[]): Promise<[TestNode, TestNode]> {
  const monotonic = () => performance.now()
  const history = createMemoryHistory({
    ...{ epoch: 'shared', limit: 1000, ttlSeconds: 300, maxBytes: 1e8 },
    ...{ wall: Date.now, monotonic },
  })
  const broker = share(createMemoryBroker({ history, ids: { has: () => false, add: () => {} } }))
  const sessions = new Map<string, Snapshot>()
  const presence = createMemoryPresence({
    ...{ ttlSeconds: 4, maxBytes: 1e8, maxAnswerBytes: 1e6, monotonic },
    tell: event => broker.tell(event.stream, eventMessage(event)),
  })
  const upkeep = setInterval(() => presence.expire(), 100)
  t.after(() => clearInterval(upkeep))
  const start = async (number: number): Promise<TestNode> => {
    const delays = { seed: 2 * seed + number, maxMs: 50 }
    const parts = { broker: createDelayingBroker(broker, delays), way: createWay(delays) }
    const cable = await startCable(t, flags, {
      wrapBroker: () => parts.broker,
      wrapResumables: () => resumablesOf(sessions, parts.way),
      wrapPresence: () => presenceOf(presence, parts.way),
    })
    return { cable, ...parts, sessions }
  }
  return [await start(0), await start(1)]
}

/** Lets several nodes begin a feed. */
function share(memory: SyncBroker): SyncBroker {
  const feeds: Feed[] = []
  const each = (pass: (feed: Feed) => void) => {
    for (const feed of feeds) pass(feed)
  }
  memory.start({
    entry: entry => each(feed => feed.entry(entry)),
    live: (...live) => each(feed => feed.live(...live)),
    signal: signal => feeds.reduce((sum, feed) => sum + feed.signal(signal), 0),
    gap: streams => each(feed => feed.gap(streams)),
  })
  return {
    ...memory,
    get seen() {
      return memory.seen
    },
    start: feed => void feeds.push(feed),
  }
}

/** A way on which no call overtakes another, and answers take time as well. */
interface Way {
  isAway: boolean
  call: <T>(act: () => T) => Promise<T>
}

function createWay({ seed, maxMs }: Delays): Way {
  const random = new Random(seed)
  const delay = () => pause(random.next() * maxMs)
  let calls: Promise<unknown> = Promise.resolve()
  const way: Way = {
    isAway: false,
    async call(act) {
      const arrived = Promise.all([calls, delay()])
      calls = arrived
      await arrived
      if (way.isAway) throw new BrokerUnavailable('the store is away')
      const answer = act()
      await delay()
      return answer
    },
  }
  return way
}

const presenceOf = (presence: Presence, { call }: Way): Presence => ({
  join: (...member) => call(() => presence.join(...member)).then(joined => joined),
  leave: (...session) => call(() => presence.leave(...session)).then(() => {}),
  lost: sid => call(() => presence.lost(sid)).then(() => {}),
  present: (...asked) => call(() => presence.present(...asked)).then(attendance => attendance),
})

const resumablesOf = (sessions: Map<string, Snapshot>, { call }: Way): Resumables => ({
  keep: snapshot => call(() => store(sessions, snapshot)),
  take: (sid, caller) =>
    call(() => {
      const snapshot = sessions.get(sid)
      if (snapshot === undefined || !isTheSame(caller, snapshot)) return undefined
      sessions.delete(sid)
      return snapshot
    }),
  forget: identity =>
    call(() => {
      for (const [sid, snapshot] of sessions) if (snapshot.identity === identity) sessions.delete(sid)
    }),
  connected: {
    batchMs: 50,
    add: snapshot => call(() => void sessions.set(snapshot.sids[0]!, snapshot)),
    update: snapshot => call(() => store(sessions, snapshot)),
    delete: sid => call(() => void sessions.delete(sid)),
  },
})

function store(sessions: Map<string, Snapshot>, snapshot: Snapshot): void {
  if (sessions.has(snapshot.sids[0]!)) sessions.set(snapshot.sids[0]!, snapshot)
}
