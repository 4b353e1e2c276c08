/**
 * A model that needs no key: it says a prepared text in small pieces, as a real one does. Put the stream of yours in its place.
 */
import { setTimeout as pause } from 'node:timers/promises'

export interface Answer {
  readonly id: string
  readonly question: string
  /** What the model has said so far. */
  readonly text: string
  /** `cut`: the model failed, or this process stopped. */
  readonly state: 'going' | 'whole' | 'cut'
}

/** The pieces of an answer, in order. */
export type Model = (question: string) => AsyncIterable<string>

const PAUSE_MS = 60

export const model: Model = async function* (question) {
  for (const [piece] of textFor(question).matchAll(/\S+\s*/g)) {
    await pause(PAUSE_MS)
    yield piece
  }
}

const textFor = (question: string): string => `You asked: “${question}”

I am a small program with one prepared text, so this page needs no key. The app took your question, answered the form, and went on to listen to me. I say one word after the other.

About ten times a second the app sends my whole text so far to your page. If one of these updates is lost, the next one replaces it. The cable keeps only the newest, so a page that comes back gets one message and not a hundred.

My last word is different: the app stores the whole answer first, and then sends it, and tries again if the cable does not answer. Switch your network off now, and on again later. The page catches up, and you read the same text as a page that never left.`
