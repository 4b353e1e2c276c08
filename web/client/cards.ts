/**
 * The list as it changes: how many there are, that they stay in order, and a glow for what is new.
 *
 * Whatever changed it (a stream, a morph, a visit) has changed the DOM, so that is what we watch. Glows are Web
 * Animations: they leave no attribute or style behind for a morph to compare.
 */

import { isFramed } from './frame.ts'

/** Card ids of a list and their votes, as last seen. A new list is a new page, and nothing on it is news. */
const seen = new WeakMap<Element, Map<string, string>>()

export function watchCards(): void {
  new MutationObserver(look).observe(document, { childList: true, characterData: true, subtree: true })
  look()
}

function look(): void {
  const list = document.getElementById('cards')
  if (list === null) return
  const cards = [...list.children].filter((child): child is HTMLElement => child.matches('li.card'))
  sort(list, cards)
  count(cards.length)

  const known = seen.get(list)
  const votes = new Map(known)
  for (const card of cards) {
    const now = card.querySelector('.votes')?.textContent ?? ''
    const before = votes.get(card.id)
    votes.set(card.id, now)
    if (known === undefined) continue
    if (before === undefined) arrive(card)
    else if (before !== now) bump(card)
  }
  // A frame is too small to show the newest cards by itself.
  if (known === undefined && isFramed()) list.scrollTop = list.scrollHeight
  seen.set(list, votes)
}

/** Two backends may commit in one order and broadcast in the other; a reload would show the order of the ids. */
function sort(list: Element, cards: HTMLElement[]): void {
  const number = ({ id }: HTMLElement) => Number(id.slice('card_'.length))
  if (cards.every((card, at) => at === 0 || number(cards[at - 1]!) <= number(card))) return
  cards.sort((a, b) => number(a) - number(b))
  list.append(...cards)
}

function count(cards: number): void {
  const place = document.getElementById('card-count')
  const words = cards === 1 ? '1 card' : `${cards} cards`
  if (place !== null && place.textContent !== words) place.textContent = words
}

let expected = ''

/** The next card that says this is the reader's own. */
export function expectCard(body: string): void {
  expected = body
}

/** Scrolls to one's own card, and follows the end of the list for who is there; nobody else is moved from what they read. */
function isWanted(card: HTMLElement): boolean {
  if (card.querySelector('.body')?.textContent === expected) {
    expected = ''
    return true
  }
  const { top, height } = card.getBoundingClientRect()
  return isFramed() || top - height < window.innerHeight
}

const calm = matchMedia('(prefers-reduced-motion: reduce)')

function arrive(card: HTMLElement): void {
  if (isWanted(card)) card.scrollIntoView({ block: 'nearest', behavior: calm.matches ? 'instant' : 'smooth' })
  if (calm.matches) return
  const accent = getComputedStyle(card).getPropertyValue('--accent')
  card.animate(
    [
      { opacity: 0, transform: 'translateY(8px) scale(.985)' },
      { opacity: 1, transform: 'none' },
    ],
    {
      duration: 320,
      easing: 'cubic-bezier(.2, .9, .3, 1.2)',
    },
  )
  card.animate(
    [
      { boxShadow: `0 0 0 0 ${accent}`, offset: 0 },
      { boxShadow: `0 0 0 3px ${accent}, 0 6px 28px -6px ${accent}`, offset: 0.15 },
      { boxShadow: `0 0 0 3px ${accent}, 0 6px 28px -6px ${accent}`, offset: 0.4 },
      {},
    ],
    { duration: 1800, easing: 'ease-out' },
  )
}

function bump(card: HTMLElement): void {
  if (calm.matches) return
  card.querySelector('.vote')?.animate([{ transform: 'none' }, { transform: 'scale(1.18)' }, { transform: 'none' }], {
    duration: 280,
    easing: 'ease-out',
  })
}
