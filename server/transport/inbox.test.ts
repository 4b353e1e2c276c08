import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Inbox } from './inbox.ts'

/** An inbox at one command per second, after two at once; `pass` lets time pass. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const said: string[] = []
  const inbox = new Inbox({
    rate: { burst: 2, perSecond: 1 },
    handle(text) {
      said.push(text!)
      if (text === 'stop') inbox.stop()
      return 'done'
    },
    delayed: () => {},
    pause: () => said.push('(pause)'),
    resume: () => said.push('(resume)'),
    flooded: assert.fail,
    dropped: () => said.push('(dropped)'),
    ended: () => said.push('(ended)'),
  })
  const take = (...texts: string[]) => {
    for (const text of texts) inbox.take(text, text.length)
  }
  const pass = (seconds: number) => {
    for (let i = 0; i < 10 * seconds; i++) {
      now += 100
      t.mock.timers.tick(100)
    }
  }
  return { inbox, said, take, pass }
}

test('after the connection ends, the inbox handles waiting messages at the rate, and then ends', t => {
  const { inbox, said, take, pass } = start(t)
  take('a', 'b', 'c', 'd')
  inbox.end()
  assert.deepEqual(said.splice(0), ['a', 'b', '(pause)'])

  pass(1)
  assert.deepEqual(said.splice(0), ['c'])
  pass(60)
  assert.deepEqual(said, ['d', '(ended)'])
})

test('an inbox without waiting messages ends with the connection', t => {
  const { inbox, said, take } = start(t)
  take('a')
  inbox.end()
  inbox.stop()

  assert.deepEqual(said, ['a', '(ended)'])
})

test('the inbox drops messages that would wait for more than five seconds after the end', t => {
  const { inbox, said, take, pass } = start(t)
  take(...'abcdefghij')
  inbox.end()

  pass(5)
  assert.deepEqual(said, ['a', 'b', '(pause)', ...'cdefg', '(dropped)', '(dropped)', '(dropped)', '(ended)'])
  pass(60)
  assert.equal(said.at(-1), '(ended)')
})

test('a debt of more than five seconds does not keep the session', t => {
  const { inbox, said, take } = start(t)
  inbox.take('large', 60 * 1024)
  take('b')
  inbox.end()

  assert.deepEqual(said, ['large', '(pause)', '(dropped)', '(ended)'])
})

test('a message that stops the inbox is the last, and the inbox ends once', t => {
  const { inbox, said, take, pass } = start(t)
  take('a', 'b', 'stop', 'd')
  inbox.end()
  pass(60)

  assert.deepEqual(said, ['a', 'b', '(pause)', 'stop', '(ended)'])
})
