/**
 * Answers that a model says piece by piece, while pages watch.
 *
 *   a piece    update  #answer_<id>_text   the whole text so far, ten times a second at most; the cable keeps only the newest
 *   the end    replace #answer_<id>        the whole answer, stored before
 *
 * Every message holds the whole text, so a page may miss some of them, or get one twice: a page that was away gets the newest
 * text, and the end if there is one. The replaced element no longer holds the target of the updates: an update that arrives after
 * the end changes nothing.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { turboStream } from '../backends/typescript/hotcable.ts'
import type { Answer, Model } from './model.ts'
import { answerText, answer as answerView } from './views/answer.ts'

export interface AnswersParts {
  model: Model
  /** POSTs HTML to the stream; rejects if the cable did not accept it. */
  send: (stream: string, html: string, options: SendOptions) => Promise<void>
  log: (line: string) => void
  /** The least time between two updates. */
  paceMs?: number
}

interface SendOptions {
  /** Of the messages with one such name the cable keeps the newest. */
  readonly latest?: string
  readonly retries: number
}

export interface Answers {
  /** Asks the model, which goes on after this returns; `undefined` while too many answers are under way. */
  ask: (question: string) => Answer | undefined
  get: (id: string) => Answer | undefined
  /** Cuts the answers that are under way; resolves once their last broadcasts are sent. */
  close: () => Promise<void>
}

export const streamOf = ({ id }: Pick<Answer, 'id'>): string => `answer/${id}`

/** An update that fails is not tried again: the next one replaces it. */
const UPDATE: SendOptions = { latest: 'text', retries: 0 }
const END: SendOptions = { retries: 2 }
const MOST_KEPT = 200
const MOST_GOING = 20

export function createAnswers({ model, send, log, paceMs = 100 }: AnswersParts): Answers {
  const kept = new Map<string, Answer>()
  const going = new Set<Promise<void>>()
  /** Ends the wait for the next piece of an answer. */
  const cuts = new Set<() => void>()
  let isClosed = false

  const tell = (answer: Answer, html: string, options: SendOptions): Promise<void> =>
    send(streamOf(answer), html, options).catch(error => log(`not broadcast: ${error.message}`))

  async function run(answer: { -readonly [K in keyof Answer]: Answer[K] }): Promise<void> {
    let update: Promise<unknown> | undefined
    const show = () => {
      const html = turboStream('update', `answer_${answer.id}_text`, String(answerText(answer)), { method: 'morph' })
      return Promise.all([tell(answer, html, UPDATE), pause(paceMs)]).finally(() => {
        update = undefined
      })
    }
    const { promise: isCut, resolve } = Promise.withResolvers<undefined>()
    const cut = () => resolve(undefined)
    cuts.add(cut)
    try {
      const pieces = model(answer.question)[Symbol.asyncIterator]()
      for (;;) {
        // (A model may hang, and must not keep the app from stopping.)
        const next = await Promise.race([isCut, pieces.next()])
        answer.state = next === undefined ? 'cut' : next.done ? 'whole' : 'going'
        if (next === undefined || next.done) break
        answer.text += next.value
        update ??= show()
      }
    } catch (error) {
      log(`the model failed: ${error}`)
      answer.state = 'cut'
    }
    cuts.delete(cut)
    // No update may overtake the end.
    await update
    const html = turboStream('replace', `answer_${answer.id}`, String(answerView(answer)), { method: 'morph' })
    await tell(answer, html, END)
  }

  return {
    ask: question => {
      if (isClosed || going.size >= MOST_GOING) return undefined
      const answer: Answer = { id: randomBytes(8).toString('hex'), question, text: '', state: 'going' }
      kept.set(answer.id, answer)
      for (const { id, state } of kept.values()) if (kept.size > MOST_KEPT && state !== 'going') kept.delete(id)
      const running = run(answer)
      going.add(running)
      running.finally(() => going.delete(running))
      return answer
    },
    get: id => kept.get(id),
    close: async () => {
      isClosed = true
      for (const cut of cuts) cut()
      await Promise.all(going)
    },
  }
}
