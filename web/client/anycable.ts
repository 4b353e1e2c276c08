/**
 * The default client: @anycable/web with @anycable/turbo-stream. URL and token come from the page's meta tags; the token
 * travels as a subprotocol, so that no URL and no log holds it.
 */

import { start } from '@anycable/turbo-stream'
import { createCable, fetchTokenFromHTML } from '@anycable/web'
import { config } from '@hotwired/turbo'
import { backOffMs, untilDone } from './back-off.ts'
import './hotcable-status.js'
import { watchPage } from './page.ts'

const refresh = fetchTokenFromHTML()
/** A cable may ask for none; an empty subprotocol is not to be had. */
const hasToken = document.querySelector('meta[name="cable-token"]') !== null

const cable = createCable({
  protocol: 'actioncable-v1-ext-json',
  ...(hasToken && { websocketAuthStrategy: 'sub-protocol' as const }),
  // The package asks once. A laptop that wakes up with an old token and no network yet must ask again.
  tokenRefresher: transport => untilDone(() => refresh(transport)),
  reconnectStrategy: backOffMs,
  logLevel: 'error',
})

watchPage(config)
// A backend that asks for it can leave out the page that made a change: X-Socket-ID goes with every form.
start(cable, { requestSocketIDHeader: true })
