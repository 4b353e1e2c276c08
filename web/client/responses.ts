/**
 * Shows the answers to forms. The cable sends a change to every page but the one that made it: that page gets the change as the
 * answer to its form. The answer may be cut off, or late, and the page must still end up right.
 *
 *   the answer                                           the page
 *   whole                                                shows it
 *   cut off                                              refreshes itself
 *   after a newer message about its card, or after       refreshes itself, because the answer may be older than what it
 *   another rendering of the page                        shows
 *
 * If a form gets no answer at all, the client's script refreshes the page.
 */

const STREAM = /^text\/vnd\.turbo-stream\.html\b/

/** `<hotcable-status>` repeats this refresh until it succeeds, and keeps what a visitor typed. */
const REFRESH = '<turbo-stream action="refresh" data-hotcable="heal"></turbo-stream>'

/** The last message about each card since the form was sent. */
const messages = new Map<string, string>()
/** Whether Turbo has rendered the page since the form was sent. */
let isRendered = false
let isVisiting = false
/** Whether the page may lack a change: Turbo cancelled a visit, or we did not show an answer. */
let isRefreshDue = false

export function watchResponses(): void {
  addEventListener('turbo:submit-start', () => {
    messages.clear()
    isRendered = false
    // Turbo cancels a visit, such as a refresh, when a form is sent.
    isRefreshDue ||= isVisiting
    isVisiting = false
  })
  addEventListener('turbo:submit-end', refreshIfDue)
  addEventListener('turbo:before-stream-render', event => {
    const { newStream } = (event as CustomEvent<{ newStream: Element }>).detail
    for (const id of idsIn(newStream)) messages.set(id, changeOf(newStream))
  })
  addEventListener('turbo:visit', () => {
    isVisiting = true
  })
  addEventListener('turbo:load', () => {
    isRendered = true
    isVisiting = false
    refreshIfDue()
  })
  // We read the answer before Turbo does: Turbo would not report one that is cut off.
  addEventListener('turbo:before-fetch-response', receive, true)
}

interface FetchResponse {
  readonly contentType: string | null
  readonly responseHTML: Promise<string>
}

async function receive(event: Event): Promise<void> {
  const { fetchResponse } = (event as CustomEvent<{ fetchResponse: FetchResponse }>).detail
  if (!STREAM.test(fetchResponse.contentType ?? '')) return
  event.preventDefault()
  event.stopImmediatePropagation()
  const html = await fetchResponse.responseHTML.catch(() => undefined)
  if (html !== undefined && canShow(html)) return window.Turbo?.renderStreamMessage(html)
  isRefreshDue = true
  refreshIfDue()
}

function canShow(html: string): boolean {
  const { content } = Object.assign(document.createElement('template'), { innerHTML: html })
  return !isRendered && !isVisiting && [...content.children].every(isNewest)
}

/** An answer that asks for a refresh is never shown as it is: Turbo would lose the refresh if the visitor goes on at once. */
const isNewest = (stream: Element): boolean =>
  stream.getAttribute('action') !== 'refresh' &&
  idsIn(stream).every(id => (messages.get(id) ?? changeOf(stream)) === changeOf(stream))

const changeOf = (stream: Element): string =>
  `${stream.getAttribute('action')} ${stream.querySelector('template')?.innerHTML ?? ''}`

/** Of the cards that a stream adds or changes, or of the one that it removes. */
function idsIn(stream: Element): string[] {
  const cards = stream.querySelector('template')?.content.children ?? []
  return cards.length > 0 ? [...cards].map(({ id }) => id) : [stream.getAttribute('target') ?? '']
}

function refreshIfDue(): void {
  if (!isRefreshDue || isVisiting) return
  isRefreshDue = false
  window.Turbo?.renderStreamMessage(REFRESH)
}
