/**
 * Broadcasts each change of the Board to every open page but its author's: one verb per change, and the only file that names
 * a target. Each resolves with the HTML, which the author's page gets as its answer.
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
  /** POSTs HTML to the stream, for all sessions but `exclude`; rejects if the cable did not accept it. */
  send: (html: string, exclude: string | undefined) => Promise<void>
  log: (line: string) => void
}

/** `author`: the session of the page that made the change. */
export interface Broadcasts {
  cardAdded: (card: Card, author?: string) => Promise<string>
  cardVoted: (card: Card, author?: string) => Promise<string>
  cardDeleted: (id: number, author?: string) => Promise<string>
  boardCleared: (author?: string) => Promise<string>
  /** Resolves once every broadcast so far is sent or has failed. */
  settled: () => Promise<void>
}

/** How long a form waits for its broadcast. Only a queue behind a cable that does not answer takes longer. */
const PATIENCE_MS = 2000

export function createBroadcasts({ send, log }: BroadcastParts): Broadcasts {
  // Keep the order of the commits: a vote that overtakes another would leave the older count on every page.
  let last = Promise.resolve()
  const tell = async (author: string | undefined, html: string): Promise<string> => {
    last = last.then(() => deliver(html, author))
    await Promise.race([last, pause(PATIENCE_MS, undefined, { ref: false })])
    return html
  }
  const deliver = async (html: string, author: string | undefined): Promise<void> => {
    try {
      await send(html, author)
    } catch (error) {
      log(`not broadcast: ${error instanceof Error ? error.message : error}`)
    }
  }

  return {
    cardAdded: (card, author) => tell(author, turboStream('append', 'cards', html(card))),
    cardVoted: (card, author) =>
      tell(author, turboStream('replace', `card_${card.id}`, html(card), { method: 'morph' })),
    cardDeleted: (id, author) => tell(author, turboStream('remove', `card_${id}`)),
    boardCleared: author => tell(author, turboStream('refresh')),
    settled: () => last,
  }
}

const html = (card: Card): string => String(cardView(card))
