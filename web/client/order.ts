/**
 * Cards in the order of their ids, `card_9` before `card_10`: a shorter id is before a longer one, and ids of one length
 * are in the order of their text. Decimal numbers are then in their order, and any other ids in a fixed one.
 */
export const isBefore = ({ id: a }: Identified, { id: b }: Identified): boolean =>
  a.length === b.length ? a < b : a.length < b.length

interface Identified {
  readonly id: string
}

/** Moves each card of `added` to its place among the other cards, which are in order. Reads no card beyond that place. */
export function moveIntoPlace(added: Iterable<Element>): void {
  const unsettled = new Set(added)
  if ([...unsettled].every(isInPlace)) return
  for (const card of unsettled) {
    unsettled.delete(card)
    const later = farthest(card, 'previousElementSibling', unsettled, other => isBefore(card, other))
    if (later !== undefined) later.before(card)
    else farthest(card, 'nextElementSibling', unsettled, other => isBefore(other, card))?.after(card)
  }
}

function isInPlace(card: Element): boolean {
  const { previousElementSibling: previous, nextElementSibling: next } = card
  return (previous === null || !isBefore(card, previous)) && (next === null || !isBefore(next, card))
}

/** The last card in that direction on the wrong side of `card`; cards that are still unsettled do not count. */
function farthest(
  card: Element,
  direction: 'previousElementSibling' | 'nextElementSibling',
  unsettled: ReadonlySet<Element>,
  isWrong: (other: Element) => boolean,
): Element | undefined {
  let found: Element | undefined
  for (let other = card[direction]; other !== null; other = other[direction]) {
    if (unsettled.has(other)) continue
    if (!isWrong(other)) break
    found = other
  }
  return found
}
