/**
 * <hotcable-status></hotcable-status> says how live the page is. One file to copy, for either client of Turbo Streams
 * over a cable (@anycable/turbo-stream or @hotwired/turbo-rails, both unmodified); import it beside the client.
 *
 *   data-state   text
 *   live         live          connected, and every stream of the page is confirmed and up to date
 *   connecting   catching up   not yet, or not again
 *   offline      offline       no connection for a while, or no network
 *   refused      refused       the cable said no and will not change its mind; with --dev it says why
 *
 * On a page without streams it is hidden.
 *
 * With or without that element, every <turbo-cable-stream-source> gets events, which bubble:
 *
 *   hotcable:connected      { reconnected }              its subscription was confirmed
 *   hotcable:disconnected   { reconnect }                the connection is gone; whether the client comes back by itself
 *   hotcable:rejected       { code, fix }                it was refused; both are empty without --dev
 *   hotcable:resumed        { messages }                 what was missed is here; how many, where that is known
 *   hotcable:gap            { refresh, code, fix }       something is missing; the cable tells the page to refresh when
 *                                                        refresh is "coming", and not when it is "held-back" or "off"
 *
 * What only the cable knows (that it is catching up, a gap, why) it tells sources with a `data-events` attribute. Without
 * it `resumed` and `gap` are heard from the extended protocol alone. When a token expires, @anycable/web brings a new one
 * and @hotwired/turbo-rails would stop for good, so for that client this file fetches one from the page, rendered anew.
 * And where @anycable/core gives a source up, because the connection broke before it was confirmed, it is subscribed again.
 */

/**
 * @typedef {{ code: string, fix: string }} Refusal
 * @typedef {{ confirmed: boolean, known: boolean, again: boolean, behind: boolean, gap: boolean, rejected?: Refusal | undefined }} Stream
 * @typedef {{ on: (event: string, then: (data: unknown) => void) => void }} Emitter
 * @typedef {{ webSocket?: WebSocket, installEventHandlers: () => void }} Connection What we touch of @rails/actioncable's.
 * @typedef {{ subprotocols: string[], connect: () => void, connection: Connection }} Consumer
 * @typedef {Emitter & { transport: Emitter, subscribe: (channel: object) => void }} Cable What we touch of @anycable/core's.
 * @typedef {{ identifier: string, state: string, receiver?: Cable }} Channel
 * @typedef {HTMLElement & { channel?: Partial<Channel>, subscription?: { identifier: string, consumer: Consumer } }} Source
 * @typedef {{ type?: string, identifier?: string, reason?: string, reconnect?: boolean, restored_ids?: string[], code?: string, fix?: string }} Frame
 * @typedef {'live' | 'connecting' | 'offline' | 'refused'} State
 */

const SOURCE = 'turbo-cable-stream-source'
const WORDS = { live: 'live', connecting: 'catching up', offline: 'offline', refused: 'refused' }
/** Every page refresh subscribes anew for a moment; that is not worth a blink. */
const BLINK_MS = 250
const OFFLINE_AFTER_MS = 4000
const LONGEST_BACK_OFF_MS = 10_000

/** By identifier. The element's `connected` attribute is not asked, except once: a client that resumes leaves it on while it is away. */
const streams = /** @type {Map<string, Stream>} */ (new Map())
const listened = /** @type {WeakSet<object>} */ (new WeakSet())
const warned = /** @type {Set<string>} */ (new Set())
let up = false
let lookMs = 5
let downSince = performance.now()
/** @type {Refusal | undefined} */
let ended
/** @type {State} */
let shown = 'connecting'

class HotcableStatus extends HTMLElement {
  connectedCallback() {
    if (!this.hasAttribute('role')) this.setAttribute('role', 'status')
    show()
  }
}

/** @returns {Source[]} */
const sources = () => /** @type {Source[]} */ ([...document.querySelectorAll(SOURCE)])
/** Empty while its client has not attached. @param {Source} source */
const identifierOf = ({ channel, subscription }) => channel?.identifier ?? subscription?.identifier ?? ''

/** @param {string} identifier */
function streamOf(identifier) {
  const stream = streams.get(identifier) ?? { confirmed: false, known: false, again: false, behind: false, gap: false }
  streams.set(identifier, stream)
  return stream
}

/** @param {string} identifier @param {string} name @param {object} detail @param {(source: Source) => boolean} [which] */
function tell(identifier, name, detail, which = () => true) {
  for (const source of sources())
    if (identifierOf(source) === identifier && which(source)) dispatch(source, name, detail)
}

/** @param {Source} source @param {string} name @param {object} detail */
const dispatch = (source, name, detail) =>
  source.dispatchEvent(new CustomEvent(`hotcable:${name}`, { bubbles: true, detail }))

/** @param {Source} source */
const asks = source => source.dataset.events !== undefined

/** @param {unknown} data One message of the cable, as it came. */
function heard(data) {
  const frame = read(data)
  if (frame === undefined) return
  const { type, identifier = '', code = '', fix = '' } = frame
  if (type === 'disconnect') {
    if (frame.reconnect === false) refused({ code: code || (frame.reason ?? ''), fix })
  } else up = true
  if (type === 'welcome') {
    ended = undefined
    for (const restored of frame.restored_ids ?? []) confirm(restored)
  } else if (type === 'confirm_subscription') confirm(identifier)
  else if (type === 'reject_subscription') {
    streamOf(identifier).rejected = { code, fix }
    tell(identifier, 'rejected', { code, fix })
  } else if (type === 'confirm_history')
    tell(identifier, 'resumed', {}, source => !asks(source) && streamOf(identifier).again)
  else if (type === 'reject_history') tell(identifier, 'gap', { code, fix }, source => !asks(source))
  else if (type !== 'disconnect') return
  show()
}

/** @param {string} identifier */
function confirm(identifier) {
  const stream = streamOf(identifier)
  const reconnected = stream.known
  Object.assign(stream, { confirmed: true, known: true, again: reconnected, rejected: undefined })
  tell(identifier, 'connected', { reconnected })
}

/** @param {Refusal} why */
function refused(why) {
  ended = why
  // Both clients bring a new token.
  if (why.code !== 'token_expired') for (const source of sources()) dispatch(source, 'rejected', why)
}

function lost() {
  if (up) downSince = performance.now()
  up = false
  for (const [identifier, stream] of streams) {
    if (stream.confirmed) tell(identifier, 'disconnected', { reconnect: ended === undefined || renews() })
    Object.assign(stream, { confirmed: false, behind: false })
  }
  show()
}

/** What a source that asked is told: a Turbo Stream action of ours, which Turbo would take for an error. */
addEventListener('turbo:before-stream-render', event => {
  const { newStream } = /** @type {CustomEvent<{ newStream: Element }>} */ (event).detail
  if (newStream.getAttribute('action') === 'hotcable') event.preventDefault()
})

/** @param {Event} message */
function told(message) {
  const { target, data } = /** @type {MessageEvent} */ (message)
  if (typeof data !== 'string' || !data.startsWith('<turbo-stream action="hotcable"')) return
  const source = /** @type {Source} */ (target)
  const action = new DOMParser().parseFromString(data, 'text/html').querySelector('turbo-stream')
  /** @param {string} name */
  const value = name => action?.getAttribute(name) ?? ''
  const stream = streamOf(identifierOf(source))
  const event = value('event')
  if (event === 'catching-up') stream.behind = true
  else if (event === 'caught-up') {
    stream.behind = false
    const messages = Number(value('messages'))
    // A first subscription that had missed nothing resumes nothing.
    if (stream.again || messages > 0) dispatch(source, 'resumed', { messages })
  } else if (event === 'gap') {
    stream.gap = true
    dispatch(source, 'gap', { refresh: value('refresh'), code: value('code'), fix: value('fix') })
  }
  show()
}

/** A page that was fetched again is whole, unless it came from a cache: then its position is still the one that was a gap. */
addEventListener('turbo:render', () => {
  for (const source of sources()) {
    const { position = '-' } = source.dataset
    if (position === '-') streamOf(identifierOf(source)).gap = false
  }
  show()
})

/** Finds the sockets behind the page's sources: from the channel of the one client, or the subscription of the other. */
function look() {
  let late = false
  const names = new Set()
  for (const source of sources()) {
    const name = source.getAttribute('signed-stream-name') ?? ''
    if (names.has(name) && !warned.has(name)) {
      warned.add(name)
      console.warn('hotcable: one stream twice on a page; elements without ids will be added twice.', source)
    }
    names.add(name)
    const { channel, subscription } = source
    if (identifierOf(source) === '') late = true
    else if (!listened.has(source)) meet(source)
    if (channel?.receiver) once(channel.receiver, listenAnyCable)
    if (subscription) once(subscription.consumer, listenRails)
  }
  lookMs = late ? Math.min(2 * lookMs, 1000) : 5
  if (late && customElements.get(SOURCE)) lookAgain(lookMs)
  if (streams.size > 100) forget(new Set(sources().map(identifierOf)))
  show()
}

/** @param {Source} source */
function meet(source) {
  once(source, () => source.addEventListener('message', told))
  const stream = streamOf(identifierOf(source))
  // It was there before us, or shares the subscription of one that was.
  if (source.hasAttribute('connected') && !stream.known) {
    up = true
    confirm(identifierOf(source))
  } else if (stream.confirmed) dispatch(source, 'connected', { reconnected: false })
}

/** @param {Set<string>} present */
function forget(present) {
  for (const identifier of streams.keys()) if (!present.has(identifier)) streams.delete(identifier)
}

/** @template {object} T @param {T} thing @param {(thing: T) => void} then */
function once(thing, then) {
  if (listened.has(thing)) return
  listened.add(thing)
  then(thing)
}

/** @param {Cable} cable */
function listenAnyCable(cable) {
  cable.transport.on('data', heard)
  cable.on('connect', () => {
    for (const source of sources())
      if (source.channel?.state === 'closed' && !streams.get(identifierOf(source))?.rejected)
        cable.subscribe(source.channel)
  })
  cable.on('disconnect', lost)
  cable.on('close', lost)
}

/** Every WebSocket that the consumer opens, from before anything arrives on it. @param {Consumer} consumer */
function listenRails(consumer) {
  const { connection } = consumer
  const install = connection.installEventHandlers.bind(connection)
  const listen = () => {
    const socket = connection.webSocket
    if (socket === undefined || socket === null) return
    socket.addEventListener('message', ({ data }) => heard(data))
    socket.addEventListener('close', async () => {
      lost()
      if (ended?.code !== 'token_expired' || connection.webSocket !== socket) return
      // A token given as a subprotocol outranks the one in the URL, which the package reads only once.
      consumer.subprotocols = [`anycable-token.${await freshToken()}`]
      consumer.connect()
    })
  }
  connection.installEventHandlers = () => {
    install()
    listen()
  }
  listen()
}

/** The token of this very page, rendered anew; asked for until it is there, as a page that gives up is silently stale. */
async function freshToken() {
  for (let failures = 0; ; failures++) {
    try {
      const page = await fetch(location.href, {
        cache: 'no-store',
        headers: { 'X-ANYCABLE-OPERATION': 'token-refresh' },
      })
      const html = new DOMParser().parseFromString(await page.text(), 'text/html')
      /** @param {string} name */
      const meta = name => html.querySelector(`meta[name="${name}"]`)?.getAttribute('content')
      const token =
        meta('cable-token') ?? new URL(meta('action-cable-url') ?? '', location.href).searchParams.get('jid')
      if (page.ok && token) return token
    } catch {}
    const wait = Math.min(LONGEST_BACK_OFF_MS, 1000 * 2 ** failures) * (0.5 + Math.random() / 2)
    await new Promise(resolve => setTimeout(resolve, wait))
  }
}

const awayMs = () => performance.now() - downSince
const renews = () => ended?.code === 'token_expired'

/** @returns {State} */
function state() {
  const present = sources().map(source => streams.get(identifierOf(source)))
  if (present.length === 0) return shown
  if (ended && !renews()) return 'refused'
  if (present.some(stream => stream?.rejected)) return 'refused'
  if (up) return present.every(stream => stream?.confirmed && !stream.behind && !stream.gap) ? 'live' : 'connecting'
  if (awayMs() < OFFLINE_AFTER_MS && (navigator.onLine || renews())) return 'connecting'
  return renews() ? 'refused' : 'offline'
}

/** @returns {{ words?: string, title: string }} */
function reason() {
  const present = sources().map(source => streams.get(identifierOf(source)))
  const refusal = ended ?? present.find(stream => stream?.rejected)?.rejected
  if (shown === 'refused' && refusal) return { words: refusal.code, title: refusal.fix }
  if (shown === 'connecting' && present.some(stream => stream?.gap))
    return { title: 'Something may be missing until the page is reloaded.' }
  return { title: '' }
}

function show(settled = false) {
  const now = state()
  if (now === 'connecting' && shown === 'live' && !settled) return blink(BLINK_MS)
  shown = now
  if (now === 'connecting' && !up) patience(OFFLINE_AFTER_MS - awayMs())
  const { words, title } = reason()
  const nothing = sources().length === 0
  const text = words ? `${WORDS[now]}: ${words}` : WORDS[now]
  for (const pill of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('hotcable-status'))) {
    pill.hidden = nothing
    if (pill.title !== title) pill.title = title
    if (pill.dataset.state === now && pill.textContent === text) continue
    pill.dataset.state = now
    const span = document.createElement('span')
    span.textContent = text
    pill.replaceChildren(span)
  }
}

const blink = alarm(() => show(true))
const patience = alarm(() => show(true))
const lookAgain = alarm(look)

/** Rings once, so many milliseconds after the first of several wishes. @param {() => void} ring */
function alarm(ring) {
  let isSet = false
  return (/** @type {number} */ ms) => {
    if (isSet) return
    isSet = true
    setTimeout(() => {
      isSet = false
      ring()
    }, ms)
  }
}

/** @param {unknown} data @returns {Frame | undefined} */
function read(data) {
  if (typeof data !== 'string') return undefined
  try {
    const frame = JSON.parse(data)
    return typeof frame === 'object' && frame !== null ? frame : undefined
  } catch {
    return undefined
  }
}

/** A morph that patches a source in place would take its `connected` away; it is the client's, not the page's. */
addEventListener('turbo:before-morph-attribute', event => {
  const { attributeName } = /** @type {CustomEvent<{ attributeName: string }>} */ (event).detail
  if (/** @type {Element} */ (event.target).localName === SOURCE && attributeName === 'connected')
    event.preventDefault()
})

// Turbo replaces elements, and clients attach to them a moment later: whatever changes, look again.
new MutationObserver(look).observe(document, { attributeFilter: ['connected'], childList: true, subtree: true })
addEventListener('online', () => show())
addEventListener('offline', () => show())
customElements.define('hotcable-status', HotcableStatus)
customElements.whenDefined(SOURCE).then(look)
look()
