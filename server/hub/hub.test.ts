import assert from 'node:assert/strict'
import { test } from 'node:test'
import { payloadsOf } from '../protocol/frame.ts'
import { payloadOf } from '../protocol/payload.ts'
import { buffers, retained } from '../test/memory.ts'
import { Hub, type Subscriber } from './hub.ts'
import { Turn } from './turn.ts'

/** A session that keeps what it is handed, or (`writes`) writes it at once. */
const mailbox = (sid: string, writes = false) => {
  const frames: Buffer[] = []
  const fail = (error: unknown) => {
    throw error
  }
  const deliver = (given: Buffer, _count: number, _more: boolean, rest?: Buffer) => {
    const whole = rest === undefined ? given : Buffer.concat([given, rest])
    frames.push(writes ? Buffer.from(whole) : whole)
    return writes
  }
  return { frames, session: { answersTo: (other: string) => other === sid, fail }, deliver } satisfies Subscriber & {
    frames: Buffer[]
  }
}
const message = (text: string) => ({ payload: payloadOf(text) })
const texts = (frames: readonly Buffer[]) =>
  frames.flatMap(frame => [...payloadsOf(frame)].map(payload => JSON.parse(String(payload)).message))

function createHub() {
  const turn = new Turn(error => {
    throw error
  }, setImmediate)
  return { hub: new Hub(turn), settle: () => turn.settle() }
}

test('all connections with the same identifier get the same bytes', () => {
  const { hub, settle } = createHub()
  const [ada, bob, cyd] = [mailbox('ada'), mailbox('bob'), mailbox('cyd')]
  hub.subscribe('a', 'same', ada, false)
  hub.subscribe('a', 'same', bob, false)
  hub.subscribe('a', 'other', cyd, false)

  hub.broadcast({ stream: 'a', ...message('"x"') })
  settle()

  assert.equal(ada.frames[0], bob.frames[0], 'one Buffer, shared')
  assert.notEqual(ada.frames[0], cyd.frames[0])
  assert.equal(String(ada.frames[0]!.subarray(2)), '{"identifier":"same","message":"x"}')
})

test('a broadcast type precedes the identifier', () => {
  const { hub, settle } = createHub()
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  hub.broadcast({ stream: 'a', ...message('1'), type: 'presence' })
  settle()

  assert.equal(String(ada.frames[0]!.subarray(2)), '{"type":"presence","identifier":"i","message":1}')
})

test('a hub without listeners holds nothing', () => {
  const { hub, settle } = createHub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) for (const stream of ['a', 'b']) hub.subscribe(stream, 'i', session, false)
  for (const session of [ada, bob]) for (const stream of ['a', 'b', 'never']) hub.unsubscribe(stream, 'i', session)

  assert.equal(hub.size, 0)
  hub.broadcast({ stream: 'a', ...message('1') })
  settle()
  assert.deepEqual([ada.frames, bob.frames], [[], []])
})

test('a message that a client made never reaches a page that inserts it as HTML', () => {
  const { hub, settle } = createHub()
  const [page, data] = [mailbox('page'), mailbox('data')]
  hub.subscribe('a', 'turbo', page, true)
  hub.subscribe('a', 'pubsub', data, false)

  hub.broadcast({ stream: 'a', ...message('1'), fromClient: true })
  settle()
  assert.deepEqual([page.frames.length, data.frames.length], [0, 1])
})

test('a session that one message excludes gets those before and after it, in order', () => {
  const { hub, settle } = createHub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) hub.subscribe('a', 'i', session, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.broadcast({ stream: 'a', ...message('2'), exclude: 'ada' })
  hub.broadcast({ stream: 'a', ...message('3') })
  settle()

  assert.deepEqual(texts(ada.frames), [1, 3])
  assert.deepEqual(texts(bob.frames), [1, 2, 3])
})

test('the messages of one turn for a stream reach each session as one Buffer, in order', () => {
  const { hub, settle } = createHub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  hub.subscribe('a', 'i', ada, false)
  hub.subscribe('a', 'j', bob, false)
  for (const text of ['1', '2', `"${'x'.repeat(70_000)}"`, '4']) hub.broadcast({ stream: 'a', ...message(text) })
  settle()

  assert.deepEqual(texts(ada.frames), [1, 2, 'x'.repeat(70_000), 4])
  assert.deepEqual(texts(bob.frames), texts(ada.frames))
  assert.equal(ada.frames.length, 3, 'a large message goes alone')
})

test('the hub reuses bytes for the next identifier only if no connection holds them', () => {
  const { hub, settle } = createHub()
  const sessions = ['ada', 'bob', 'cyd', 'dan', 'eve'].map((sid, n) => mailbox(sid, n % 2 === 0))
  for (const [n, session] of sessions.entries()) hub.subscribe('a', n === 3 ? 'longer' : `id${n}`, session, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.broadcast({ stream: 'a', ...message('2') })
  settle()

  const read = sessions.map(({ frames }) =>
    frames.flatMap(frame => [...payloadsOf(frame)].map(payload => JSON.parse(String(payload)))),
  )
  const expected = ['id0', 'id1', 'id2', 'longer', 'id4'].map(identifier =>
    [1, 2].map(message => ({ identifier, message })),
  )
  assert.deepEqual(read, expected)
})

test('a session with several streams or identifiers gets all messages in their order', () => {
  const { hub, settle } = createHub()
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  hub.subscribe('a', 'j', ada, false)
  hub.subscribe('b', 'i', ada, false)
  for (const [stream, text] of [
    ['a', '1'],
    ['a', '2'],
    ['b', '3'],
    ['a', '4'],
  ] as const)
    hub.broadcast({ stream, ...message(text) })
  settle()

  assert.deepEqual(texts(ada.frames), [1, 1, 2, 2, 3, 4, 4])
})

test('a session that subscribes after a broadcast does not get it; one that leaves after it does', () => {
  const { hub, settle } = createHub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  hub.subscribe('a', 'i', ada, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.subscribe('a', 'i', bob, false)
  hub.broadcast({ stream: 'a', ...message('2') })
  hub.unsubscribe('a', 'i', ada)
  hub.broadcast({ stream: 'a', ...message('3') })
  settle()

  assert.deepEqual(
    [texts(ada.frames), texts(bob.frames)],
    [
      [1, 2],
      [2, 3],
    ],
  )
})

test('a session fails alone when its delivery throws: the others get this message and the next', () => {
  const { hub, settle } = createHub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  const failures: unknown[] = []
  const broken: Subscriber = {
    session: { answersTo: () => false, fail: error => void failures.push(error) },
    deliver() {
      throw new RangeError('broken')
    },
  }
  for (const session of [ada, broken, bob]) hub.subscribe('a', 'i', session, false)
  hub.subscribe('b', 'i', broken, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.broadcast({ stream: 'b', ...message('2') })
  hub.broadcast({ stream: 'a', ...message('3') })
  settle()

  assert.deepEqual(
    [texts(ada.frames), texts(bob.frames)],
    [
      [1, 3],
      [1, 3],
    ],
  )
  assert.equal(failures.length, 3)
})

test('the bytes that the hub keeps for an identifier keep no others in memory', async () => {
  const taken = await retained(() => {
    const { hub, settle } = createHub()
    const reader = { session: undefined, deliver: () => true }
    for (let i = 0; i < 500; i++) {
      hub.subscribe(`${i}`, 'i', reader, false)
      hub.broadcast({ stream: `${i}`, ...message('1') })
      settle()
      Buffer.from('x'.repeat(3000)) // (lies beside what is made of the same pool)
    }
    return hub
  }, buffers)

  assert.ok(taken < 500_000, `${taken} bytes`)
})
