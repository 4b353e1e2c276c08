import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hub, type Subscriber } from './hub.ts'
import { payloadOf } from './protocol/frame.ts'

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
  const hub = new Hub()
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
  const hub = new Hub()
  const ada = mailbox('ada')
  hub.subscribe('a', 'i', ada, false)
  hub.broadcast({ stream: 'a', ...message('1'), type: 'presence' })

  assert.equal(String(ada.frames[0]!.subarray(2)), '{"type":"presence","identifier":"i","message":1}')
})

test('a hub that nobody listens to holds nothing', () => {
  const hub = new Hub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) for (const stream of ['a', 'b']) hub.subscribe(stream, 'i', session, false)
  for (const session of [ada, bob]) for (const stream of ['a', 'b', 'never']) hub.unsubscribe(stream, 'i', session)

  assert.equal(hub.size, 0)
  hub.broadcast({ stream: 'a', ...message('1') })
  assert.deepEqual([ada.frames, bob.frames], [[], []])
})

test('what a client made never reaches a subscription that is put into a page as HTML', () => {
  const hub = new Hub()
  const [page, data] = [mailbox('page'), mailbox('data')]
  hub.subscribe('a', 'turbo', page, true)
  hub.subscribe('a', 'pubsub', data, false)

  hub.broadcast({ stream: 'a', ...message('1'), fromClient: true })
  assert.deepEqual([page.frames.length, data.frames.length], [0, 1])
})

test('whoever is left out of one message gets those before and after it, in order', () => {
  const hub = new Hub()
  const [ada, bob] = [mailbox('ada'), mailbox('bob')]
  for (const session of [ada, bob]) hub.subscribe('a', 'i', session, false)
  hub.broadcast({ stream: 'a', ...message('1') })
  hub.broadcast({ stream: 'a', ...message('2'), exclude: 'ada' })
  hub.broadcast({ stream: 'a', ...message('3') })

  const texts = (frames: readonly Buffer[]) => frames.map(frame => JSON.parse(String(payloadOf(frame))).message)
  assert.deepEqual(texts(ada.frames), [1, 3])
  assert.deepEqual(texts(bob.frames), [1, 2, 3])
})
