import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerUnavailable } from '../broker.ts'
import type { Job, Pace } from '../heal/pace.ts'
import { createStores } from '../session/stores.ts'
import type { WorkerOffers } from './offers.ts'
import type { Peer } from './peer.ts'
import { createSeats, type Seat, type StoreOffers } from './seat.ts'

const SETTINGS = {
  ...{ broker: 'memory', history_limit: 100, history_ttl: 300, history_max_size: 1 << 28 },
  ...{ presence_ttl: 15, presence_max_size: 1 << 20, max_presence_answer_size: 1 << 20 },
  ...{ sessions_ttl: 300, max_lost_sessions: 100, max_lost_sessions_size: 1 << 20 },
}

/** The primary, with a worker that reads nothing: `waiting` is what it leaves unread. */
function primary(waiting = 0, pace?: Pace) {
  const monotonic = () => 0
  const stores = createStores(SETTINGS, { wall: () => 0, monotonic, dropped() {}, failed: assert.fail })
  const due: (() => void)[] = []
  const seats = createSeats({ stores, pace, later: (_, then) => due.push(then) })
  let offers: StoreOffers | undefined
  let written = 0
  let killed = 0
  const peer = { waiting, write: () => written++, tell() {} } as unknown as Peer<WorkerOffers>
  const connect = (given: StoreOffers): Seat['peer'] => {
    offers = given
    return peer
  }
  const seat = seats.add(connect, () => killed++)
  const publish = (message: string) => stores.broker.publish([{ stream: 'a', message, transient: false }])
  return { seat, offers: offers!, publish, due, counts: () => ({ written, killed }), stores }
}

test('a worker gets the messages of the streams to which it listens, and no others', async () => {
  const { offers, publish, counts } = primary()
  publish('1')
  assert.equal(offers.listen('a'), 1)
  publish('2')
  offers.unlisten('a')
  publish('3')

  assert.deepEqual(counts(), { written: 1, killed: 0 })
})

test('a worker soon knows the newest offset, also of streams to which it does not listen', async () => {
  const { publish, counts, due } = primary()
  publish('1')
  publish('2')
  assert.equal(counts().written, 0)

  assert.equal(due.length, 1)
  due[0]!()

  assert.equal(counts().written, 1)
})

test('a worker that leaves more than 64 MiB unread is killed, and gets nothing', () => {
  const { offers, publish, counts } = primary((64 << 20) + 1)
  offers.listen('a')
  publish('1')

  assert.deepEqual(counts(), { written: 0, killed: 1 })
})

test('a replay that is too large for one answer is a gap', () => {
  const { offers, publish } = primary()
  const epoch = (offers.position() as { epoch: string }).epoch
  publish('1')
  for (let count = 0; count < 33; count++) publish(JSON.stringify('x'.repeat(1 << 20)))

  assert.equal(offers.after('a', { offset: 0, epoch }), 'gap')
  assert.equal((offers.after('a', { offset: 30, epoch }) as unknown[]).length, 4)
  assert.ok((offers.since('a', 0) as unknown[]).length <= 33)
})

test('while a worker leaves 8 MiB unread, its replays ask again later, and a question about members gets their number', () => {
  const { offers } = primary((8 << 20) + 1)
  offers.join('a', '1', 'ada', undefined)

  assert.throws(() => offers.since('a', 0), BrokerUnavailable)
  assert.throws(() => offers.after('a', { offset: 0, epoch: '' }), BrokerUnavailable)
  assert.deepEqual(offers.present('a', undefined), { total: 1, records: [] })
})

test('a dead worker leaves its place in the pace, and nothing is left of the refreshes that it got', () => {
  const waiting: Job[] = []
  const left: string[] = []
  const pace = {
    ask(owner: string, job: Job) {
      if (owner === 'ada') job()
      else waiting.push(job)
      return () => left.push(owner)
    },
    waiting: 0,
  }
  const { seat, offers } = primary(0, pace)
  for (const [turn, owner] of ['ada', 'bob', 'eve', 'sue'].entries()) offers.wantTurn(turn, owner)
  waiting[0]!()
  offers.leaveTurn(2)

  seat.left()

  assert.deepEqual(left, ['eve', 'sue'])
})

test('the sessions of a dead worker are lost, and their clients can resume each once', () => {
  const { seat, offers, stores } = primary()
  const caller = { identity: 'ada', anonymous: false }
  const snapshot = { ...caller, sids: ['1'], identifiers: [], position: undefined }
  offers.addSession(snapshot)
  offers.updateSession({ ...snapshot, identifiers: ['a'] })

  seat.left()

  assert.equal(stores.memory.resumables.size, 1)
  assert.deepEqual(offers.takeSession('1', caller), { ...snapshot, identifiers: ['a'] })
  assert.equal(offers.takeSession('1', caller), undefined)
})

test('a session that was taken from its worker does not come back', () => {
  const { offers } = primary()
  const caller = { identity: 'ada', anonymous: false }
  const snapshot = { ...caller, sids: ['1'], identifiers: [], position: undefined }
  offers.addSession(snapshot)
  assert.equal(offers.takeSession('1', { ...caller, identity: 'bob' }), undefined)
  assert.deepEqual(offers.takeSession('1', caller), snapshot)

  offers.updateSession(snapshot)
  offers.keepSession(snapshot)

  assert.equal(offers.takeSession('1', caller), undefined)
})
