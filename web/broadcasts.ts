/**
 * What a change of the Board sends to open pages: one function per change, and the only file that names a target.
 *
 *   cardAdded    append   #cards
 *   cardVoted    replace  #card_<id>, morphed, so that focus stays on the button
 *   cardDeleted  remove   #card_<id>
 *   boardCleared refresh
 *
 * With an outbox the Board stores this HTML in the transaction of the change, and nothing else is needed. Without one:
 * commit first, then {@link Broadcasts.send}. A broadcast that fails is logged and does not fail the form. A cable that
 * restarts has a new epoch, by which its pages see that they missed messages.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { turboStream } from '../backends/typescript/hotcable.ts'
import type { Card } from './board.ts'
import { card as cardView } from './views/card.ts'

export const cardAdded = (card: Card): string => turboStream('append', 'cards', html(card))
export const cardVoted = (card: Card): string =>
  turboStream('replace', `card_${card.id}`, html(card), { method: 'morph' })
export const cardDeleted = (id: number): string => turboStream('remove', `card_${id}`)
export const boardCleared = (): string => turboStream('refresh')

const html = (card: Card): string => String(cardView(card))

export interface BroadcastParts {
  /** POSTs HTML to the stream, for all sessions but `exclude`; rejects if the cable did not accept it. */
  post: (html: string, exclude: string | undefined) => Promise<void>
  log: (line: string) => void
}

export interface Broadcasts {
  /** Resolves once it is sent or has failed, or after {@link PATIENCE_MS}. */
  send: (html: string, exclude?: string) => Promise<void>
  /** Resolves once every broadcast so far is sent or has failed. */
  settled: () => Promise<void>
}

/** How long a form waits for its broadcast. Only a queue behind a cable that does not answer takes longer. */
const PATIENCE_MS = 2000

export function createBroadcasts({ post, log }: BroadcastParts): Broadcasts {
  // Keep the order of the commits: a vote that overtakes another would leave the older count on every page.
  let last = Promise.resolve()
  const deliver = async (html: string, exclude: string | undefined): Promise<void> => {
    try {
      await post(html, exclude)
    } catch (error) {
      log(`not broadcast: ${error instanceof Error ? error.message : error}`)
    }
  }

  return {
    async send(html, exclude) {
      last = last.then(() => deliver(html, exclude))
      await Promise.race([last, pause(PATIENCE_MS, undefined, { ref: false })])
    },
    settled: () => last,
  }
}
