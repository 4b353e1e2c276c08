import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hub, type Subscriber } from './hub.ts'
import { payloadsOf } from './protocol/frame.ts'

const mailbox = (sid: string) => {
  const frames: Buffer[] = []
  return {
    frames,
    answersTo: (other: string) => other === sid,
    deliver: (frame: Buffer) => frames.push(frame),
  } satisfies Subscriber & { frames: Buffer[] }
}
const message = (text: string) => ({ body: Buffer.from(`${text}}`) })

test('everyone with the same identifier is sent the same bytes', () => {
  const hub = new Hub(flush => flush())
  const [ada, bob, cyd] = [mailbox('ada'), mailbox('bob'), mailbox('cyd')]
  hub.subscribe('a', 'same', ada, false)
  hub.subscribe('a', 'same', bob, false)
  hub.subscribe('a', 'other', cyd, false)

  hub.broadcast({ stream: 'a', ...message('"x"') })

  assert.equal(ada.frames[0], bob.frames[0], 'one Buffer, shared')
  assert.notEqual(ada.frames[0], cyd.frames[0])
  assert.equal(String(ada.frames[0]!.subarray(2)), '{"identifier":"same","message":"x"}')
})

test('a broadcast type precedes the identifier', () => {
  const hub = new Hub(flush => flush())
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  hub.broadcast({ stream: 'a', ...message('1'), type: 'presence' })

  assert.equal(String(ada.frames[0]!.subarray(2)), '{"type":"presence","identifier":"i","message":1}')
})

test('a hub that nobody listens to holds nothing', () => {
  const hub = new Hub(flush => flush())
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) for (const stream of ['a', 'b']) hub.subscribe(stream, 'i', session, false)
  for (const session of [ada, bob]) for (const stream of ['a', 'b', 'never']) hub.unsubscribe(stream, 'i', session)

  assert.equal(hub.size, 0)
  hub.broadcast({ stream: 'a', ...message('1') })
  assert.deepEqual([ada.frames, bob.frames], [[], []])
})

test('what a client made never reaches a subscription that is put into a page as HTML', () => {
  const hub = new Hub(flush => flush())
  const [page, data] = [mailbox('page'), mailbox('data')]
  hub.subscribe('a', 'turbo', page, true)
  hub.subscribe('a', 'pubsub', data, false)

  hub.broadcast({ stream: 'a', ...message('1'), fromClient: true })
  assert.deepEqual([page.frames.length, data.frames.length], [0, 1])
})

/** A hub whose turns end when the test says so. */
function turns() {
  const flushes: (() => void)[] = []
  const hub = new Hub(flush => flushes.push(flush))
  const endTurn = () => {
    for (const flush of flushes.splice(0)) flush()
  }
  return { hub, endTurn }
}
const texts = (frames: readonly Buffer[]) => frames.map(frame => Array.from(payloadsOf(frame), String))
const frame = (text: string) => `{"identifier":"i","message":${text}}`

test('what is broadcast in one turn leaves in one piece, in order', () => {
  const { hub, endTurn } = turns()
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  for (const text of ['1', '2', '3']) hub.broadcast({ stream: 'a', ...message(text) })
  assert.deepEqual(ada.frames, [])

  endTurn()

  assert.deepEqual(texts(ada.frames), [['1', '2', '3'].map(frame)])
})

test('a broadcast reaches exactly who was listening when it came', () => {
  const { hub, endTurn } = turns()
  const [early, late] = [mailbox('early'), mailbox('late')]
  hub.subscribe('a', 'i', early, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.subscribe('a', 'i', late, false)
  hub.broadcast({ stream: 'a', ...message('2') })
  hub.unsubscribe('a', 'i', early)
  hub.broadcast({ stream: 'a', ...message('3') })
  endTurn()

  assert.deepEqual(texts(early.frames).flat(), ['1', '2'].map(frame))
  assert.deepEqual(texts(late.frames).flat(), ['2', '3'].map(frame))
})

test('whoever is left out of one message gets those before and after it, in order', () => {
  const { hub, endTurn } = turns()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) hub.subscribe('a', 'i', session, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.broadcast({ stream: 'a', ...message('2'), exclude: 'ada' })
  hub.broadcast({ stream: 'a', ...message('3') })
  endTurn()

  assert.deepEqual(texts(ada.frames).flat(), ['1', '3'].map(frame))
  assert.deepEqual(texts(bob.frames).flat(), ['1', '2', '3'].map(frame))
})

test('large messages leave in several pieces, each of its right length', () => {
  const { hub, endTurn } = turns()
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  const long = [10, 100, 1_000, 65_000, 70_000, 5].map(length => JSON.stringify('x'.repeat(length)))
  for (const text of long) hub.broadcast({ stream: 'a', ...message(text) })
  endTurn()

  assert.ok(ada.frames.length > 1)
  assert.deepEqual(texts(ada.frames).flat(), long.map(frame))
})
