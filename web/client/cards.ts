/**
 * Follows the list: counts the cards, keeps them in order, and makes new ones glow.
 *
 * Streams, morphs and visits all change the DOM, so this file observes the DOM. It reads only the cards that changed, so
 * the work does not grow with the list. Glows are Web Animations: they leave nothing in the DOM for a morph to compare.
 */
import { restoreFocus } from './focus.ts'
import { isFramed } from './frame.ts'
import { announce, clearNews, tidyNews } from './news.ts'
import { explain } from './note.ts'
import { moveIntoPlace } from './order.ts'
import { claim, watchOtherWindows } from './own.ts'
import { invite } from './windows.ts'

let list: Element | null = null
/** The last known votes of the list's cards, by id. */
let votes = new Map<string, string>()

export function watchCards(): void {
  const observer = new MutationObserver(changes => {
    look(changes)
    // Ignore the changes that `look` made.
    observer.takeRecords()
  })
  observer.observe(document, { childList: true, characterData: true, subtree: true, attributeFilter: ['title'] })
  watchOtherWindows(cards)
  addEventListener('turbo:before-morph-attribute', keepState)
  look([])
}

function look(changes: readonly MutationRecord[]): void {
  const present = document.getElementById('cards')
  if (present !== list) begin(present)
  else if (list !== null) update(list, changes)
  count()
  explain()
  const isEmpty = votes.size === 0
  // (To find its place takes longer on a long list.)
  if (isEmpty) invite()
  restoreFocus(isEmpty)
}

/** A new list is a new page: none of its cards is new to the reader. */
function begin(present: Element | null): void {
  list = present
  votes = new Map(cards().map(card => [card.id, votesOf(card)]))
  clearNews()
  // Newest first: of two equal cards the later one is the reader's.
  for (const card of cards().reverse()) claim(card)
  // A frame is too small to show the newest cards without scrolling.
  if (list !== null && isFramed()) list.scrollTop = list.scrollHeight
}

function update(list: Element, changes: readonly MutationRecord[]): void {
  const [added, changed, removed] = [new Set<HTMLElement>(), new Set<HTMLElement>(), new Set<string>()]
  for (const { target, addedNodes, removedNodes } of changes) {
    if (target === list) {
      for (const node of removedNodes) if (isCard(node)) removed.add(node.id)
      for (const node of addedNodes) if (isCard(node) && node.parentElement === list) added.add(node)
    } else if (list.contains(target)) {
      const card = (target instanceof Element ? target : target.parentElement)?.closest<HTMLElement>('#cards > .card')
      if (card) changed.add(card)
    }
  }
  moveIntoPlace(added)
  const fresh = [...added].filter(({ id }) => !votes.has(id))
  let mine: HTMLElement | undefined
  for (const card of added) if (claim(card)) mine = card
  for (const card of [...added, ...changed]) {
    removed.delete(card.id)
    const [before, now] = [votes.get(card.id), votesOf(card)]
    votes.set(card.id, now)
    if (before !== undefined && before !== now) bump(card)
  }
  for (const id of removed) if (list.querySelector(`#${CSS.escape(id)}`) === null) votes.delete(id)
  if (removed.size > 0) tidyNews()
  if (fresh.length > 0) announce(fresh, mine)
  for (const card of fresh) glow(card)
}

const isCard = (node: Node): node is HTMLElement => node instanceof HTMLElement && node.matches('li.card')

const cards = (): HTMLElement[] => [...(list?.children ?? [])].filter(isCard)

const votesOf = (card: HTMLElement): string => card.querySelector('.votes')?.textContent ?? ''

function count(): void {
  const place = document.getElementById('card-count')
  const words = votes.size === 1 ? '1 card' : `${votes.size} cards`
  if (place !== null && place.textContent !== words) place.textContent = words
}

/** No server renders the mark of own cards or an open ✕, so a morph would remove them. */
function keepState(event: Event): void {
  const { attributeName } = (event as CustomEvent<{ attributeName: string }>).detail
  const isOurs = attributeName === 'data-own' || attributeName === 'open'
  if (isOurs && (event.target as Element).closest('.card, .clear')) event.preventDefault()
}

const calm = matchMedia('(prefers-reduced-motion: reduce)')

function glow(card: HTMLElement): void {
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
