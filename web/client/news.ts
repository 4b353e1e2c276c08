/** New cards below the visible part: a pill shows their number, and scrolls to the first of them. */

const unseen = new Set<HTMLElement>()

/** Reports which announced cards are visible, at first and after each change. */
const sight = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting || !target.isConnected) drop(target as HTMLElement)
    else unseen.add(target as HTMLElement)
  }
  show()
})

/** Scrolls to the reader's own card, else to the last card if the end of the list was visible. Otherwise does not scroll. */
export function announce(fresh: readonly HTMLElement[], own: HTMLElement | undefined): void {
  const last = fresh.at(-1)!
  if (own === undefined && isInSight(fresh[0]!)) return last.scrollIntoView({ block: 'nearest' })
  own?.scrollIntoView({ block: 'nearest' })
  for (const card of fresh) if (card !== own) sight.observe(card)
}

export function clearNews(): void {
  sight.disconnect()
  unseen.clear()
  show()
}

/** Forgets cards that were removed before the reader saw them. */
export function tidyNews(): void {
  for (const card of unseen) if (!card.isConnected) drop(card)
  show()
}

/** Whether the place before the card is visible; in a frame of /compare the list scrolls, elsewhere the page. */
function isInSight(card: HTMLElement): boolean {
  const { top, height } = card.getBoundingClientRect()
  return top - height < Math.min(window.innerHeight, card.parentElement!.getBoundingClientRect().bottom)
}

function drop(card: HTMLElement): void {
  sight.unobserve(card)
  unseen.delete(card)
}

function show(): void {
  const place = document.getElementById('board-news')
  if (place === null) return
  const words = unseen.size === 0 ? '' : `${unseen.size} new ↓`
  if (place.textContent === words) return
  if (words === '') return place.replaceChildren()
  const pill = place.querySelector('button') ?? place.appendChild(document.createElement('button'))
  pill.type = 'button'
  pill.textContent = words
  pill.onclick = lead
}

/** Moves the focus to the card, because the pill disappears once the card is visible. */
function lead(): void {
  const [first] = unseen
  first?.scrollIntoView({ block: 'start' })
  first?.querySelector<HTMLElement>('.vote')?.focus({ preventScroll: true })
}
