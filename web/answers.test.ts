import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { broadcast, issueToken, signStream } from '../backends/typescript/hotcable.ts'
import { startTurboCable } from '../testing/cable.ts'
import { type Client, connect } from '../testing/client.ts'
import { createAnswers, streamOf } from './answers.ts'
import type { Model } from './model.ts'

const SECRET = 'canary of answers'

/** The end of an answer, or how the model fails. */
type Piece = string | Error | undefined

interface Sent {
  readonly stream: string
  readonly html: string
  readonly latest?: string
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
    send: (stream, html, options) => {
      sent.push({ stream, html, ...options })
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

test('each update holds the whole text so far and replaces the one before it, and the end replaces no update', async t => {
  const { answers, sent, say, until } = answersOf(t)
  const { id } = answers.ask('Why?')!

  say('Because ')
  await until(() => sent.length === 1)
  say('<b>.')
  await until(() => sent.length === 2)
  say(undefined)
  await until(() => sent.length === 3)

  assert.deepEqual(
    sent.map(each => [each.stream, textOf(each), each.latest]),
    [
      [`answer/${id}`, 'Because ', 'text'],
      [`answer/${id}`, 'Because &lt;b&gt;.', 'text'],
      [`answer/${id}`, 'Because &lt;b&gt;.', undefined],
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
    sent.map(each => [textOf(each), each.latest]),
    [
      ['one ', 'text'],
      ['one two three ', undefined],
    ],
  )
})

test('a broadcast that fails is logged, and the answer goes on', async t => {
  const { answers, sent, logged, say, until } = answersOf(t, async ({ latest }) => {
    if (latest) throw new Error('the cable is away')
  })
  answers.ask('Why?')

  say('Because.', undefined)
  await until(() => sent.length === 2)

  assert.deepEqual(logged, ['not broadcast: the cable is away'])
  assert.deepEqual(
    sent.map(each => [textOf(each), each.latest]),
    [
      ['Because.', 'text'],
      ['Because.', undefined],
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

test('a page that was away gets the newest text alone, however long the answer, and then the end', async t => {
  const cable = await startTurboCable(SECRET)
  t.after(() => cable.stop())
  const backend = { url: cable.broadcast, key: cable.key, timeoutMs: 60_000 }
  let accepted = 0
  const { answers, sent, pieces, say, until } = answersOf(t, async ({ stream, html, latest }) => {
    await broadcast(stream, html, { ...backend, ...(latest && { latest }) })
    accepted++
  })
  // Not by the helper: it waits 250 ms at most, and the machine may be busy.
  const asked = await fetch(`${cable.broadcast}/position`, { headers: { authorization: `Bearer ${cable.key}` } })
  const { position } = (await asked.json()) as { position: string }
  const isAccepted = () => pieces.length === 0 && accepted === sent.length
  const answer = answers.ask('Why?')!
  const identifier = JSON.stringify({
    channel: 'Turbo::StreamsChannel',
    signed_stream_name: signStream(streamOf(answer), { secret: SECRET }),
    position,
  })
  /** Connects a page that shows the answer as it was before the first piece. */
  const comeBack = async () => {
    const client = await connect(t, cable.url, { query: `?jid=${issueToken({ user: 1 }, { secret: SECRET })}` })
    await client.welcomed()
    client.command('subscribe', identifier)
    return client
  }

  // The history keeps 100 messages of a stream (--history_limit).
  for (let at = 1; sent.length < 150; at++) {
    say(`${at} `)
    await until(isAccepted)
  }
  const newest = sent.at(-1)!.html
  const early = await comeBack()
  const received = [await messagesUntil(early, newest)]
  say(undefined)
  await until(() => answers.get(answer.id)?.state === 'whole' && sent.length === 151 && isAccepted())
  const end = sent.at(-1)!.html
  received.push(await messagesUntil(early, end), await messagesUntil(await comeBack(), end))

  assert.deepEqual(received, [[newest], [end], [newest, end]])
})

async function messagesUntil(client: Client, last: string): Promise<unknown[]> {
  const frames = await client.until(({ message }) => message === last)
  return frames.flatMap(({ message }) => (message === undefined ? [] : [message]))
}
