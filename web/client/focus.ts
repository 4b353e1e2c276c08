/**
 * Keeps the place of the keyboard. When the control with the focus disappears, with its card or by a new page, the same
 * control of the same card gets the focus, else that of the next card, else the field.
 */
import { isBefore } from './order.ts'

const FIELD = '#card-body'

/** The Board's control that has the focus, and how to find one to replace it. */
let place: { control: HTMLElement; card: { id: string } | undefined; selector: string } | undefined

export function keepFocus(): void {
  addEventListener('focusin', ({ target }) => {
    place = placeOf(target as HTMLElement)
  })
  addEventListener('focusout', ({ relatedTarget }) => {
    // In a microtask, because only then is a control that disappeared no longer visible.
    if (relatedTarget === null) queueMicrotask(() => (place?.control.checkVisibility() ? leave() : restoreFocus(true)))
  })
}

/** `always`: even if the browser reports a control with the focus, which may be hidden by now. */
export function restoreFocus(always: boolean): void {
  const { activeElement } = document
  if (place === undefined || (!always && activeElement !== null && activeElement !== document.body)) return
  if (place.control.checkVisibility()) return
  const { card, selector } = place
  const target = card === undefined ? find(selector) : control(nextOf(card), selector)
  ;(target ?? find(FIELD))?.focus({ preventScroll: true })
}

/** A window that loses the focus keeps its place. */
function leave(): void {
  if (document.hasFocus()) place = undefined
}

function placeOf(control: HTMLElement): typeof place {
  const card = control.closest('#cards > .card')
  if (card !== null) {
    const selector = control.closest('.delete') === null ? '.vote' : '.delete > summary'
    return { control, card: { id: card.id }, selector }
  }
  if (control.closest('#board-news')) return { control, card: { id: '' }, selector: '.vote' }
  if (control.closest('.clear')) return { control, card: undefined, selector: '.clear > summary' }
  if (control.closest('form.add'))
    return { control, card: undefined, selector: control.id ? `#${control.id}` : '.add > button' }
  return undefined
}

/** The card itself, rendered anew; else the one after it, else the last. */
function nextOf({ id }: { id: string }): Element | null {
  const list = document.getElementById('cards')
  const same = document.getElementById(id)
  if (list === null || (same !== null && list.contains(same))) return same
  return [...list.children].find(other => isBefore({ id }, other)) ?? list.lastElementChild
}

const control = (card: Element | null, selector: string): HTMLElement | undefined =>
  visible(card?.querySelector(selector))
const find = (selector: string): HTMLElement | undefined => visible(document.querySelector(selector))

const visible = (element: Element | null | undefined): HTMLElement | undefined =>
  element instanceof HTMLElement && element.checkVisibility() ? element : undefined
