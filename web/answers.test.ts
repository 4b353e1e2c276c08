import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createAnswers } from './answers.ts'
import type { Model } from './model.ts'

/** The end of an answer, or how the model fails. */
type Piece = string | Error | undefined

interface Sent {
  readonly stream: string
  readonly html: string
  readonly transient: boolean
}

/** Answers without pauses, and their broadcasts. `say` gives the next piece to the model that has waited longest. */
function answersOf(t: TestContext, send: (sent: Sent) => Promise<void> = async () => {}) {
  const sent: Sent[] = []
  const logged: string[] = []
  const pieces: Piece[] = []
  const waiting: (() => void)[] = []
  const model: Model = async function* () {
    for (;;) {
      while (pieces.length === 0) await new Promise<void>(then => waiting.push(then))
      const piece = pieces.shift()
      if (piece === undefined) return
      if (piece instanceof Error) throw piece
      yield piece
    }
  }
  const answers = createAnswers({
    model,
    send: (stream, html, { transient }) => {
      sent.push({ stream, html, transient })
      return send(sent.at(-1)!)
    },
    log: line => void logged.push(line),
    paceMs: 0,
  })
  const say = (...said: Piece[]) => {
    pieces.push(...said)
    for (const wake of waiting.splice(0, said.length)) wake()
  }
  const until = async (isSo: () => boolean) => {
    for (; !isSo(); await turn()) t.signal.throwIfAborted()
  }
  return { answers, sent, logged, pieces, say, until }
}

const textOf = ({ html }: Sent) => /<p dir="auto">(.*?)<\/p>/.exec(html)?.[1]

test('each update holds the whole text so far, and only the end is remembered', async t => {
  const { answers, sent, say, until } = answersOf(t)
  const { id } = answers.ask('Why?')!

  say('Because ')
  await until(() => sent.length === 1)
  say('<b>.')
  await until(() => sent.length === 2)
  say(undefined)
  await until(() => sent.length === 3)

  assert.deepEqual(
    sent.map(each => [each.stream, textOf(each), each.transient]),
    [
      [`answer/${id}`, 'Because ', true],
      [`answer/${id}`, 'Because &lt;b&gt;.', true],
      [`answer/${id}`, 'Because &lt;b&gt;.', false],
    ],
  )
  assert.equal(answers.get(id)?.state, 'whole')
})

test('the end removes the target of the updates', async t => {
  const { answers, sent, say, until } = answersOf(t)
  const { id } = answers.ask('Why?')!

  say('Because.', undefined)
  await until(() => sent.length === 2)

  const [update, end] = sent.map(({ html }) => html) as [string, string]
  assert.match(update, new RegExp(`action="update" target="answer_${id}_text"`))
  assert.match(end, new RegExp(`action="replace" target="answer_${id}"`))
  assert.ok(!end.includes(`answer_${id}_text`))
  assert.match(end, /aria-busy="false"/)
})

test('pieces that come while an update is under way leave with the next one, and the end waits for it', async t => {
  const { promise, resolve: accept } = Promise.withResolvers<void>()
  const { answers, sent, pieces, say, until } = answersOf(t, () => promise)
  const { id } = answers.ask('Why?')!

  say('one ', 'two ', 'three ', undefined)
  await until(() => pieces.length === 0 && answers.get(id)?.state === 'whole')
  assert.equal(sent.length, 1)
  accept()
  await until(() => sent.length === 2)

  assert.deepEqual(
    sent.map(each => [textOf(each), each.transient]),
    [
      ['one ', true],
      ['one two three ', false],
    ],
  )
})

test('a broadcast that fails is logged, and the answer goes on', async t => {
  const { answers, sent, logged, say, until } = answersOf(t, async ({ transient }) => {
    if (transient) throw new Error('the cable is away')
  })
  answers.ask('Why?')

  say('Because.', undefined)
  await until(() => sent.length === 2)

  assert.deepEqual(logged, ['not broadcast: the cable is away'])
  assert.deepEqual(
    sent.map(each => [textOf(each), each.transient]),
    [
      ['Because.', true],
      ['Because.', false],
    ],
  )
})

test('a model that fails, and an app that stops while the model hangs, end the answer with a note', async t => {
  const { answers, sent, logged, say, until } = answersOf(t)
  answers.ask('Why?')
  say('Be', new Error('out of words'))
  await until(() => sent.length === 2)
  assert.match(sent.at(-1)!.html, /<p dir="auto">Be<\/p>.*class="cut"/)
  assert.deepEqual(logged, ['the model failed: Error: out of words'])

  answers.ask('Why?')
  say('Be')
  await until(() => sent.length === 3)
  await answers.close()

  assert.match(sent.at(-1)!.html, /<p dir="auto">Be<\/p>.*class="cut"/)
  assert.equal(answers.ask('And now?'), undefined)
})

test('answers are bounded: those under way, and those kept', async t => {
  const { answers, sent, say, until } = answersOf(t)
  const slow = answers.ask('slow')!
  const first = answers.ask('first')!
  for (let at = 2; at < 20; at++) assert.ok(answers.ask(String(at)))
  assert.equal(answers.ask('one too many'), undefined)
  // 19 of the models end, and it does not matter which.
  say(...Array.from({ length: 19 }, () => undefined))
  await until(() => sent.length === 19)
  const left = [slow, first].find(({ id }) => answers.get(id)?.state === 'going')

  for (let at = 0; at < 220; at++) {
    assert.ok(answers.ask(String(at)))
    say(undefined)
    await until(() => sent.length === 20 + at)
  }

  const kept = [slow, first].filter(({ id }) => answers.get(id) !== undefined)
  assert.deepEqual(kept, left === undefined ? [] : [left])
})
