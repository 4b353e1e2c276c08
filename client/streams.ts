/**
 * The page's streams: @anycable/web with @anycable/turbo-stream. URL and token come from the page's meta tags; the token
 * travels as a subprotocol, so that no URL and no log holds it.
 *
 * The page's first stream opens the connection, because a login page has neither a stream nor meta tags. A page for another
 * user, or without a user, closes it.
 */

import type { Cable } from '@anycable/core'
import { start } from '@anycable/turbo-stream'
import { openCable } from './cable.ts'
import { type Credentials, createRenewal, credentials, isSame, reattach, type Source } from './hotcable-status.js'

/** `page`: the user of the connection, with the latest token. */
let connection: { cable: Cable; page: Credentials } | undefined

function current(): Cable {
  const page = credentials()
  leaveFor(page)
  connection ??= { cable: open(page), page }
  if (page.token !== undefined) use(page)
  return connection.cable
}

function open(page: Credentials): Cable {
  const cable = openCable(page)
  // The package's refresher asks once. A laptop that wakes up before its network does must ask again.
  const renew = createRenewal()
  cable.on('close', async event => {
    if (event?.reason !== 'token_expired') return
    const fresh = await renew(connection?.page.token, () => connection?.cable === cable)
    if (fresh === undefined) return
    use(fresh)
    cable.connect().catch(() => {})
  })
  return cable
}

function use({ token, param }: Credentials): void {
  if (connection === undefined || token === undefined) return
  connection.page.token = token
  connection.cable.transport.setToken(token, param)
}

/** Closes the connection if it belongs to another user. */
function leaveFor(page: Credentials): void {
  if (connection === undefined || isSame(connection.page, page)) return
  connection.cable.disconnect()
  connection = undefined
}

const isPreview = () => document.documentElement.hasAttribute('data-turbo-preview')

// At this event Turbo has merged the new page's head and not yet its streams.
addEventListener('turbo:before-render', () => {
  if (!isPreview()) leaveFor(credentials())
})
addEventListener('turbo:render', () => {
  if (isPreview()) return
  leaveFor(credentials())
  // A stream that stayed in the page still belongs to the connection that was closed.
  for (const source of document.querySelectorAll<Source>('turbo-cable-stream-source')) {
    const cable: unknown = source.channel?.receiver
    if (cable !== undefined && cable !== connection?.cable) reattach(source)
  }
})

// A backend excludes the session that a form named. If the form's answer is lost, we open another session, which gets the change.
addEventListener('turbo:submit-end', event => {
  const cable = connection?.cable
  if (cable === undefined || (event as CustomEvent).detail.fetchResponse) return
  cable.setSessionId('')
  cable.disconnect()
  cable.connect().catch(() => {})
})

const whichever = {
  subscribe: (...[channel]: Parameters<Cable['subscribe']>) => current().subscribe(channel),
  get sessionId() {
    return connection?.cable.sessionId
  },
}
/** Turbo must have started: the sources that the page already has connect to it at once. */
export function startStreams(): void {
  // The page has a client: this script a second time, or @hotwired/turbo-rails.
  if (customElements.get('turbo-cable-stream-source') !== undefined) return
  // Every form carries X-Socket-ID, so that a backend can exclude the page that made a change.
  start(whichever as unknown as Cable, { requestSocketIDHeader: true })
}
