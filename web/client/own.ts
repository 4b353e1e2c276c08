/**
 * Marks the cards that this browser wrote. The Board has no accounts, so the browser remembers them: a new card with the
 * text and the name of a form that this page just sent is its own.
 */

const STORED = 'hotcable-own-cards'
const MOST = 200

/** Cards that were sent and are not on the page yet. */
const sent: Sent[] = []
let own = recall()

interface Sent {
  readonly body: string
  readonly author: string
  readonly appeared: () => void
}

/** Expects the card of this form, and runs `appeared` when the page has it. Call the result if the form fails. */
export function expectCard(body: string, author: string, appeared: () => void): () => void {
  const expected: Sent = { body: body.trim(), author: author.trim() || 'anonymous', appeared }
  sent.push(expected)
  return () => forget(expected)
}

/** Marks the card if this browser wrote it; true when it was expected. */
export function claim(card: HTMLElement): boolean {
  const expected = sent.find(({ body, author }) => reads(card, '.body', body) && reads(card, '.author', author))
  if (expected !== undefined) {
    forget(expected)
    own = new Set([...new Set([...own, ...recall(), key(card)])].slice(-MOST))
    remember()
    expected.appeared()
  }
  mark(card)
  return expected !== undefined
}

/** Marks the cards that another window of this browser wrote; `cards` returns those on the page. */
export function watchOtherWindows(cards: () => Iterable<HTMLElement>): void {
  addEventListener('storage', event => {
    if (event.key !== STORED) return
    own = recall()
    for (const card of cards()) mark(card)
  })
}

function mark(card: HTMLElement): void {
  if (own.has(key(card))) card.dataset.own = ''
}

/** Includes the time, because a new Board counts ids from 1 again. */
const key = (card: HTMLElement): string => `${card.id} ${card.querySelector('time')?.dateTime}`

const reads = (card: HTMLElement, part: string, text: string): boolean => card.querySelector(part)?.textContent === text

function forget(expected: Sent): void {
  const at = sent.indexOf(expected)
  if (at >= 0) sent.splice(at, 1)
}

// The browser may forbid storage; then the marks last as long as the page.
function remember(): void {
  try {
    localStorage.setItem(STORED, JSON.stringify([...own]))
  } catch {}
}

function recall(): Set<string> {
  try {
    const keys: unknown = JSON.parse(localStorage.getItem(STORED) ?? '[]')
    return new Set(Array.isArray(keys) ? keys : [])
  } catch {
    return new Set()
  }
}
