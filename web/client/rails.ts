/**
 * The other client (`?client=rails`): @hotwired/turbo-rails as Rails ships it. It opens its connection by itself, with
 * the URL and token of the page's meta tag; we only listen in, and bring a new token when the old one has expired, after
 * which it would never come back.
 */
import { cable } from '@hotwired/turbo-rails'
import { untilDone } from './back-off.ts'
import { watchPage } from './page.ts'
import { onSocket } from './rails-consumer.ts'
import { watchCable } from './status.ts'

watchPage()
const status = watchCable()
const consumer = await cable.getConsumer()

onSocket(consumer, socket => {
  let expired = false
  socket.addEventListener('message', ({ data }) => {
    const told = status.frame(data)
    expired ||= told?.type === 'disconnect' && told.reason === 'token_expired'
  })
  socket.addEventListener('close', async () => {
    status.down()
    if (!expired) return
    // A token given as a subprotocol outranks the one in the URL, which the package reads only once.
    consumer.subprotocols = [`anycable-token.${await untilDone(freshToken)}`]
    consumer.connect()
  })
})

/** The token of this very page, rendered anew. */
async function freshToken(): Promise<string> {
  const page = await fetch(location.href, { cache: 'no-store', headers: { 'X-ANYCABLE-OPERATION': 'token-refresh' } })
  const html = new DOMParser().parseFromString(await page.text(), 'text/html')
  const token = html.querySelector<HTMLMetaElement>('meta[name="cable-token"]')?.content
  if (!page.ok || token === undefined) throw new Error(`no token on the page (${page.status})`)
  return token
}
