/** What a page showed from its first moment on, observed from outside: no client can look better than it is. */
import type { Page } from 'playwright/test'

export interface Recorded {
  /** How often each card entered the list, by id. */
  added: Record<string, number>
  /** Ids in the order of their first appearance. */
  order: string[]
  /** Ids that were ever in the list twice at once. */
  doubled: string[]
}

/** Starts before the page opens. Survives every morph; a full load starts it again. */
export const record = (page: Page): Promise<unknown> =>
  page.addInitScript(() => {
    const recorded: Recorded = { added: {}, order: [], doubled: [] }
    Object.assign(window, { recorded })
    new MutationObserver(changes => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          if (!(node instanceof HTMLElement) || !node.matches('#cards > .card')) continue
          if (recorded.added[node.id] === undefined) recorded.order.push(node.id)
          recorded.added[node.id] = (recorded.added[node.id] ?? 0) + 1
        }
      }
      const ids = [...document.querySelectorAll('#cards > .card')].map(({ id }) => id)
      for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) recorded.doubled.push(id)
    }).observe(document, { childList: true, subtree: true })
  })

export const recorded = (page: Page): Promise<Recorded> =>
  page.evaluate(() => (window as unknown as { recorded: Recorded }).recorded)

/** The cards of a page, one string each: from the shown page, or from HTML. */
export const cards = (page: Page, html?: string): Promise<string[]> =>
  page.evaluate(html => {
    const shown = html === undefined ? document : new DOMParser().parseFromString(html, 'text/html')
    return [...shown.querySelector('#cards')!.children].map(({ outerHTML }) => outerHTML)
  }, html)
