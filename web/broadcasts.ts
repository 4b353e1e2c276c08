/**
 * Broadcasts each change of the Board to every open page: one verb per change, and the only file that names a target.
 *
 *   cardAdded    append   #cards
 *   cardVoted    replace  #card_<id>, morphed, so that focus stays on the button
 *   cardDeleted  remove   #card_<id>
 *   boardCleared refresh
 *
 * Commit first, then call these. A broadcast that fails is logged and does not fail the form. A cable that restarts has a
 * new epoch, by which its pages see that they missed messages.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { turboStream } from '../backends/typescript/hotcable.ts'
import type { Card } from './board.ts'
import { card as cardView } from './views/card.ts'

export interface BroadcastParts {
  /** POSTs HTML to the stream; rejects if the cable did not accept it. */
  send: (html: string) => Promise<void>
  log: (line: string) => void
}

export interface Broadcasts {
  cardAdded: (card: Card) => Promise<void>
  cardVoted: (card: Card) => Promise<void>
  cardDeleted: (id: number) => Promise<void>
  boardCleared: () => Promise<void>
  /** Resolves once every broadcast so far is sent or has failed. */
  settled: () => Promise<void>
}

/** How long a form waits for its broadcast. Only a queue behind a cable that does not answer takes longer. */
const PATIENCE_MS = 2000

export function createBroadcasts({ send, log }: BroadcastParts): Broadcasts {
  // Keep the order of the commits: a vote that overtakes another would leave the older count on every page.
  let last = Promise.resolve()
  const tell = (html: string): Promise<void> => {
    last = last.then(() => deliver(html))
    return Promise.race([last, pause(PATIENCE_MS, undefined, { ref: false })])
  }
  const deliver = async (html: string): Promise<void> => {
    try {
      await send(html)
    } catch (error) {
      log(`not broadcast: ${error instanceof Error ? error.message : error}`)
    }
  }

  return {
    cardAdded: card => tell(turboStream('append', 'cards', html(card))),
    cardVoted: card => tell(turboStream('replace', `card_${card.id}`, html(card), { method: 'morph' })),
    cardDeleted: id => tell(turboStream('remove', `card_${id}`)),
    boardCleared: () => tell(turboStream('refresh')),
    settled: () => last,
  }
}

const html = (card: Card): string => String(cardView(card))
