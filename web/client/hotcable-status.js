/**
 * <hotcable-status></hotcable-status> says how live the page is. One file to copy, for either client of Turbo Streams
 * over a cable (@anycable/turbo-stream or @hotwired/turbo-rails, both unmodified); import it beside the client.
 *
 *   data-state   text
 *   live         live                       connected, and every stream of the page is confirmed and up to date
 *   connecting   catching up                not yet, or not again
 *   stale        something may be missing   and the page cannot refresh itself: a button reloads it
 *   offline      offline                    no connection for a while, or no network
 *   refused      refused                    the cable said no; with --dev it says why
 *
 * On a page without streams it is hidden.
 *
 * With or without that element, every <turbo-cable-stream-source> gets events, which bubble:
 *
 *   hotcable:connected      { reconnected }              its subscription was confirmed
 *   hotcable:disconnected   { reconnect }                the connection is gone; whether the client reconnects
 *   hotcable:rejected       { code, fix }                it was refused; `fix` is empty without --dev
 *   hotcable:resumed        { messages }                 what was missed is here; how many, where that is known
 *   hotcable:gap            { refresh, code, fix }       something is missing; the cable tells the page to refresh when
 *                                                        refresh is "coming", and not when it is "held-back" or "off"
 *
 * The cable tells sources with a `data-events` attribute that it is catching up, and why there is a gap.
 *
 * What the file mends besides, as the clients do not:
 *
 *   refresh   Turbo drops a refresh while a visit is under way. The page stays "catching up", and is refreshed again.
 *             A form that is on its way is waited for. What was typed and opened survives the cable's own refresh.
 *   token     When a token expires, @hotwired/turbo-rails stops for ever: it is given a new one, from the page
 *             rendered anew. When another user signs in, it opens a new connection.
 *   stream    A subscription that was refused for a limit, or timed out, is tried again.
 */

/**
 * @typedef {{ code: string, fix: string }} Refusal
 * @typedef {'coming' | 'held-back' | 'off'} Fate
 * @typedef {{ confirmed: boolean, known: boolean, again: boolean, behind: boolean, gap?: Fate | undefined, rejected?: Refusal | undefined }} Stream
 * @typedef {'form' | 'unsaved' | 'failing' | 'cache'} Obstacle
 * @typedef {{ up: boolean, downSince: number, ended?: Refusal | undefined, asked: boolean, obstacle?: Obstacle | undefined, streams: ReadonlyMap<string, Stream> }} Page
 * @typedef {{ type?: string, identifier?: string, reason?: string, reconnect?: boolean, restored_ids?: string[], dev?: boolean, refresh?: Fate, code?: string, fix?: string }} Frame
 * @typedef {{ type: 'frame', frame: Frame } | { type: 'attached', identifier: string } | { type: 'lost', at: number }
 *   | { type: 'behind', identifier: string, is: boolean } | { type: 'gap', identifier: string, refresh: Fate }
 *   | { type: 'refresh', identifier: string } | { type: 'stuck', obstacle: Obstacle }
 *   | { type: 'rendered', positions: ReadonlyMap<string, string> } | { type: 'present', identifiers: ReadonlySet<string> }} Change
 * @typedef {'live' | 'connecting' | 'stale' | 'offline' | 'refused'} State
 * @typedef {{ identifiers: readonly string[], awayMs: number, isOnline: boolean }} Surroundings
 *
 * @typedef {{ on: (event: string, then: (data: unknown) => void) => void }} Emitter
 * @typedef {{ webSocket?: WebSocket, installEventHandlers: () => void }} Connection What we touch of @rails/actioncable's.
 * @typedef {{ url: string, _url?: string, subprotocols?: string[], connect: () => void, disconnect: () => void, connection: Connection }} Consumer
 * @typedef {Emitter & { transport: Emitter }} Cable What we touch of @anycable/core's.
 * @typedef {{ identifier: string, state: string, receiver?: Cable }} Channel
 * @typedef {HTMLElement & { channel?: Partial<Channel>, subscription?: { identifier: string, consumer: Consumer }, connectedCallback?: () => void, disconnectedCallback?: () => void }} Source
 * @typedef {{ url?: string | undefined, railsUrl?: string | undefined, token?: string | undefined, param: string, identity?: string | undefined }} Credentials
 * @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control
 */

// ---- State: what happened to the page, and what it means. Pure, so that Node tests it.

const OFFLINE_AFTER_MS = 4000
/** Refusals that end when the page has left other streams. */
const FOR_NOW = ['subscriptions_limit', 'identifiers_limit']

/** @type {Page} */
export const INITIAL = { up: false, downSince: 0, asked: false, streams: new Map() }

/** @type {Stream} */
const NEW_STREAM = { confirmed: false, known: false, again: false, behind: false }

/** @param {Page} page @param {Change} change @returns {Page} */
export function next(page, change) {
  switch (change.type) {
    case 'frame':
      return hear(page, change.frame)
    case 'attached':
      return confirm({ ...page, up: true }, change.identifier)
    case 'lost': {
      const streams = mapStreams(page, stream => ({ ...stream, confirmed: false, behind: false }))
      return { ...page, up: false, downSince: page.up ? change.at : page.downSince, streams }
    }
    case 'behind':
      return withStream(page, change.identifier, { behind: change.is })
    case 'gap':
      return withStream(page, change.identifier, { gap: change.refresh })
    case 'refresh':
      return { ...withStream(page, change.identifier, { gap: 'coming' }), asked: true }
    case 'stuck':
      return { ...page, obstacle: change.obstacle }
    case 'rendered': {
      // A page that was fetched again is whole, unless it came from a cache: then its position is still the one that was a gap.
      const isOld = (/** @type {string} */ identifier) => (change.positions.get(identifier) ?? '-') !== '-'
      const streams = mapStreams(page, (stream, identifier) =>
        stream.gap ? { ...stream, gap: isOld(identifier) ? 'held-back' : undefined } : stream,
      )
      return { ...page, asked: false, obstacle: undefined, streams }
    }
    case 'present': {
      const left = [...page.streams].filter(([identifier]) => change.identifiers.has(identifier))
      return left.length === page.streams.size ? page : { ...page, streams: new Map(left) }
    }
  }
}

/** @param {Page} page @param {Frame} frame @returns {Page} */
function hear(page, { type, identifier = '', code = '', fix = '', ...frame }) {
  if (type === 'disconnect')
    return frame.reconnect === false ? { ...page, ended: { code: code || (frame.reason ?? ''), fix } } : page
  const now = page.up ? page : { ...page, up: true }
  if (type === 'welcome') return (frame.restored_ids ?? []).reduce(confirm, { ...now, ended: undefined })
  if (type === 'confirm_subscription') return confirm(withGap(now, identifier, frame.refresh), identifier)
  if (type === 'reject_history') return withGap(now, identifier, frame.refresh)
  if (type === 'reject_subscription') return withStream(now, identifier, { rejected: { code, fix } })
  return now
}

/** @param {Page} page @param {string} identifier @returns {Page} */
function confirm(page, identifier) {
  const again = page.streams.get(identifier)?.known ?? false
  return withStream(page, identifier, { confirmed: true, known: true, again, rejected: undefined })
}

/** @param {Page} page @param {string} identifier @param {Fate | undefined} gap */
const withGap = (page, identifier, gap) => (gap === undefined ? page : withStream(page, identifier, { gap }))

/** @param {Page} page @param {string} identifier @param {Partial<Stream>} news @returns {Page} */
function withStream(page, identifier, news) {
  const stream = { ...(page.streams.get(identifier) ?? NEW_STREAM), ...news }
  return { ...page, streams: new Map(page.streams).set(identifier, stream) }
}

/** @param {Page} page @param {(stream: Stream, identifier: string) => Stream} change */
const mapStreams = ({ streams }, change) =>
  new Map([...streams].map(([identifier, stream]) => [identifier, change(stream, identifier)]))

/** Whether the client that was refused brings a new token. @param {Page} page */
const renews = ({ ended }) => ended?.code === 'token_expired'

/** @param {Page} page @param {readonly string[]} identifiers */
export const lacks = ({ streams }, identifiers) =>
  identifiers.some(identifier => streams.get(identifier)?.gap !== undefined)

/** @param {Refusal | undefined} refusal */
const isForNow = refusal => refusal !== undefined && FOR_NOW.includes(refusal.code)

/** What a page with streams shows. @param {Page} page @param {Surroundings} surroundings @returns {State} */
export function stateOf(page, { identifiers, awayMs, isOnline }) {
  const streams = identifiers.map(identifier => page.streams.get(identifier))
  if (page.ended && !renews(page)) return 'refused'
  if (streams.some(stream => stream?.rejected)) return 'refused'
  if (!page.up) {
    if (awayMs < OFFLINE_AFTER_MS && (isOnline || renews(page))) return 'connecting'
    return renews(page) ? 'refused' : 'offline'
  }
  const gaps = streams.flatMap(stream => stream?.gap ?? [])
  if (gaps.length > 0) return page.obstacle || !gaps.includes('coming') ? 'stale' : 'connecting'
  return streams.every(stream => stream?.confirmed && !stream.behind) ? 'live' : 'connecting'
}

const WORDS = {
  live: 'live',
  connecting: 'catching up',
  stale: 'something may be missing',
  offline: 'offline',
  refused: 'refused',
}
const OBSTACLES = {
  form: 'The page did not refresh itself because it shows a form that was not accepted.',
  unsaved: 'The page did not refresh itself because it holds text that was not sent.',
  failing: 'The app did not answer with this page. The page tries again.',
  cache: 'The page came out of a cache and was as old as before.',
  off: 'The cable is set not to refresh pages.',
}

/** @param {Page} page @param {State} state @param {readonly string[]} identifiers @returns {{ text: string, title: string }} */
export function wordsOf(page, state, identifiers) {
  const rejected = identifiers.flatMap(identifier => page.streams.get(identifier)?.rejected ?? [])
  const { code, fix } = page.ended ?? rejected[0] ?? { code: '', fix: '' }
  if (state === 'refused') return { text: code ? `refused: ${code}` : 'refused', title: fix }
  if (state === 'stale') return { text: WORDS.stale, title: OBSTACLES[page.obstacle ?? fateOf(page, identifiers)] }
  const title =
    state === 'connecting' && lacks(page, identifiers) ? 'Something is missing until the page is refreshed.' : ''
  return { text: WORDS[state], title }
}

/** @param {Page} page @param {readonly string[]} identifiers */
const fateOf = ({ streams }, identifiers) =>
  identifiers.some(identifier => streams.get(identifier)?.gap === 'held-back') ? 'cache' : 'off'

/** How long to wait after so many failures: doubling from about a second, spread so that pages do not come all at once. @param {number} failures */
export const backOffMs = failures => Math.min(10_000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2)

// ---- Element: the pill, and the events that streams get.

const SOURCE = 'turbo-cable-stream-source'
const STATUS = 'hotcable-status'
/** The identifier of a refresh that no source brought: it came by server-sent events. */
const NO_SOURCE = ''
/** Every page refresh subscribes anew for a moment; that is not worth a blink. */
const BLINK_MS = 250

let page = INITIAL
/** @type {State} */
let shown = 'connecting'

/** Those in the page. Kept by what is added and removed, as a search of the page would grow with it. */
const present = /** @type {Set<Source>} */ (new Set())
const pills = /** @type {Set<HTMLElement>} */ (new Set())

const sources = () => [...present]
/** Empty while its client has not attached. @param {Source} source */
const identifierOf = ({ channel, subscription }) => channel?.identifier ?? subscription?.identifier ?? ''
const identifiers = () => sources().map(identifierOf)
const awayMs = () => performance.now() - page.downSince

/** @param {Change} change */
function apply(change) {
  page = next(page, change)
}

/** @param {string} identifier @param {string} name @param {object} detail @param {(source: Source) => boolean} [which] */
function tell(identifier, name, detail, which = () => true) {
  for (const source of sources())
    if (identifierOf(source) === identifier && which(source)) dispatch(source, name, detail)
}

/** @param {Source} source @param {string} name @param {object} detail */
const dispatch = (source, name, detail) =>
  source.dispatchEvent(new CustomEvent(`hotcable:${name}`, { bubbles: true, detail }))

function show(settled = false) {
  const streams = identifiers()
  const isEmpty = streams.length === 0
  const surroundings = { identifiers: streams, awayMs: awayMs(), isOnline: navigator.onLine }
  const now = isEmpty ? 'connecting' : stateOf(page, surroundings)
  if (now === 'connecting' && shown === 'live' && !settled && !isEmpty) return blink(BLINK_MS)
  shown = now
  if (!isEmpty) warnOfMistakes(now)
  if (now === 'connecting' && !page.up && !isEmpty) patience(OFFLINE_AFTER_MS - awayMs())
  const { text, title } = wordsOf(page, now, streams)
  for (const pill of pills) {
    pill.hidden = isEmpty
    if (pill.title !== title) pill.title = title
    const span = pill.querySelector('span')
    if (pill.dataset.state === now && span?.textContent === text) continue
    pill.dataset.state = now
    pill.replaceChildren(element('span', text), ...(now === 'stale' ? [reloadButton()] : []))
  }
}

/** @param {string} name @param {string} text */
function element(name, text) {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

function reloadButton() {
  const button = element('button', 'Reload')
  button.setAttribute('type', 'button')
  button.addEventListener('click', () => location.reload())
  return button
}

const blink = alarm(() => show(true))
const patience = alarm(() => show(true))

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

// ---- Clients: how each of them attaches to a source, and what its cable says.

const seen = /** @type {WeakSet<object>} */ (new WeakSet())
const warned = /** @type {Set<unknown>} */ (new Set())
/** Each with the credentials of the page for which it last connected. */
const consumers = /** @type {Map<Consumer, Credentials>} */ (new Map())
let lookMs = 5
let revivals = 0

/** @param {unknown} data One message of the cable, as it came. */
function heard(data) {
  const frame = read(data)
  if (frame === undefined) return
  const { type, identifier = '', code = '', fix = '' } = frame
  const before = page
  apply({ type: 'frame', frame })
  isDeveloping ||= frame.dev === true
  if (type === 'welcome') for (const restored of frame.restored_ids ?? []) connected(restored, before)
  else if (type === 'confirm_subscription') connected(identifier, before)
  else if (type === 'reject_subscription') tell(identifier, 'rejected', { code, fix })
  else if (type === 'confirm_history')
    tell(identifier, 'resumed', {}, source => !asks(source) && page.streams.get(identifier)?.again === true)
  else if (type === 'disconnect') ended(before)
  if ((type === 'reject_history' || frame.refresh) && before.streams.get(identifier)?.gap === undefined)
    tell(identifier, 'gap', { refresh: frame.refresh, code, fix }, source => !asks(source))
  if (page !== before) changed()
  // A subscription of @anycable/core that timed out is given up without a word.
  else if (type === 'ping') revive()
}

/** @param {string} identifier @param {Page} before */
const connected = (identifier, before) =>
  tell(identifier, 'connected', { reconnected: before.streams.get(identifier)?.known ?? false })

/** @param {Page} before */
function ended(before) {
  // A client brings a new token.
  if (page.ended === undefined || page.ended === before.ended || renews(page)) return
  for (const source of sources()) dispatch(source, 'rejected', page.ended)
}

function lost() {
  const before = page
  apply({ type: 'lost', at: performance.now() })
  const reconnect = page.ended === undefined || renews(page)
  for (const [identifier, { confirmed }] of before.streams)
    if (confirmed) tell(identifier, 'disconnected', { reconnect })
  show()
}

function changed() {
  revive()
  show()
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

/** @param {Source} source */
const asks = source => source.dataset.events !== undefined

/** What the cable tells a source, a Turbo Stream action of its own. @param {Source} source @param {string} html */
function told(source, html) {
  const action = new DOMParser().parseFromString(html, 'text/html').querySelector('turbo-stream')
  /** @param {string} name */
  const value = name => action?.getAttribute(name) ?? ''
  const identifier = identifierOf(source)
  const event = value('event')
  if (event === 'catching-up') apply({ type: 'behind', identifier, is: true })
  else if (event === 'caught-up') {
    apply({ type: 'behind', identifier, is: false })
    const messages = Number(value('messages'))
    // A first subscription that had missed nothing resumes nothing.
    if (page.streams.get(identifier)?.again || messages > 0) dispatch(source, 'resumed', { messages })
  } else if (event === 'gap') {
    const refresh = /** @type {Fate} */ (value('refresh'))
    apply({ type: 'gap', identifier, refresh })
    dispatch(source, 'gap', { refresh, code: value('code'), fix: value('fix') })
  }
  show()
}

/** Notes which sources came and went. Returns whether any did, or a source or status changed. @param {readonly MutationRecord[]} changes */
function note(changes) {
  let isOurs = false
  for (const { target, addedNodes, removedNodes } of changes) {
    if (isElement(target) && (target.localName === SOURCE || target.localName === STATUS)) isOurs = true
    for (const node of [...addedNodes, ...removedNodes]) {
      for (const source of isElement(node) ? sourcesIn(node) : []) {
        isOurs = true
        if (source.isConnected) present.add(source)
        else present.delete(source)
      }
    }
  }
  return isOurs
}

/** @param {Node} node @returns {node is Element} */
const isElement = node => node.nodeType === Node.ELEMENT_NODE

/** @param {Element} element @returns {Source[]} */
const sourcesIn = element =>
  /** @type {Source[]} */ ([...(element.localName === SOURCE ? [element] : []), ...element.querySelectorAll(SOURCE)])

/** Finds the sockets behind the page's sources: from the channel of the one client, or the subscription of the other. */
function look() {
  let late = false
  const names = new Set()
  for (const source of sources()) {
    const name = source.getAttribute('signed-stream-name') ?? ''
    if (names.has(name))
      warn(`${name} twice`, 'one stream twice on a page; elements without ids will be added twice.', source)
    names.add(name)
    if (source.closest('[data-turbo-permanent]'))
      warn(name, 'a stream inside data-turbo-permanent misses what is broadcast while the page is refreshed.', source)
    const { channel, subscription } = source
    if (channel?.receiver) once(channel.receiver, listenAnyCable)
    if (subscription) once(subscription.consumer, listenRails)
    if (identifierOf(source) === '') late = true
    else attach(source)
  }
  apply({ type: 'present', identifiers: new Set([...identifiers(), NO_SOURCE]) })
  lookMs = late ? Math.min(2 * lookMs, 1000) : 5
  if (late && customElements.get(SOURCE)) lookAgain(lookMs)
  changed()
}

const lookAgain = alarm(look)

/** @param {Source} source */
function attach(source) {
  const identifier = identifierOf(source)
  const isFirst = !seen.has(source)
  seen.add(source)
  const stream = page.streams.get(identifier)
  // It was there before us, or shares the subscription of one that was.
  if (!stream?.known && isAttached(source, isFirst)) {
    apply({ type: 'attached', identifier })
    tell(identifier, 'connected', { reconnected: false })
  } else if (isFirst && stream?.confirmed) dispatch(source, 'connected', { reconnected: false })
}

/** @rails/actioncable sets `connected` before we hear why, so later that means nothing. @param {Source} source @param {boolean} isFirst */
const isAttached = ({ channel, subscription, attributes }, isFirst) =>
  channel?.state === 'connected' || (isFirst && subscription !== undefined && 'connected' in attributes)

/** @template {object} T @param {T} thing @param {(thing: T) => void} then */
function once(thing, then) {
  if (seen.has(thing)) return
  seen.add(thing)
  then(thing)
}

/** @param {unknown} about Warned of once. @param {string} words @param {Element} element */
function warn(about, words, element) {
  if (warned.has(about)) return
  warned.add(about)
  console.warn(`hotcable: ${words}`, element)
}

/** @param {Cable} cable */
function listenAnyCable(cable) {
  cable.transport.on('data', heard)
  cable.on('connect', revive)
  cable.on('disconnect', lost)
  cable.on('close', lost)
}

/** Every WebSocket that the consumer opens, from before anything arrives on it. @param {Consumer} consumer */
function listenRails(consumer) {
  const { connection } = consumer
  const install = connection.installEventHandlers.bind(connection)
  const renew = createRenewal()
  const listen = () => {
    const socket = connection.webSocket
    if (socket === undefined || socket === null) return
    socket.addEventListener('message', ({ data }) => heard(data))
    socket.addEventListener('close', async () => {
      if (connection.webSocket !== socket) return
      lost()
      if (!renews(page)) return
      const fresh = await renew(tokenOf(consumer), () => connection.webSocket === socket)
      if (fresh === undefined) return
      address(consumer, fresh)
      consumer.connect()
    })
  }
  // An app may have made a consumer for another URL.
  const given = credentials()
  if (addressOf(consumer.url, given.param).href === given.url) consumers.set(consumer, given)
  connection.installEventHandlers = () => {
    install()
    listen()
  }
  listen()
}

/** A client gives up a subscription that was refused, and @anycable/core one that timed out: tries them again. */
function revive() {
  const lost = sources().filter(isGivenUp)
  if (lost.length === 0) revivals = 0
  else if (page.up) reviveLater(backOffMs(revivals))
}

const reviveLater = alarm(() => {
  revivals++
  if (page.up) for (const source of sources().filter(isGivenUp)) reattach(source)
})

/** @param {Source} source */
function isGivenUp(source) {
  const rejected = page.streams.get(identifierOf(source))?.rejected
  return rejected ? isForNow(rejected) : source.channel?.state === 'closed'
}

/** Subscribes an element again, as its client does when it enters the page. @param {Source} source */
export function reattach(source) {
  source.disconnectedCallback?.()
  source.connectedCallback?.()
  // Its socket may be another one, to be heard from the first message on.
  look()
}

// ---- Refresh: Turbo does it; this part waits, tries again, and keeps what a person has typed.

/** What we touch of Turbo. */
/** @typedef {{ visit: (url: string, options: object) => void, session?: { refresh?: unknown }, navigator?: { currentVisit?: { fail?: () => void } } }} Turbo */
/** @type {() => Turbo | undefined} */
const turbo = () => /** @type {{ Turbo?: Turbo }} */ (/** @type {unknown} */ (window)).Turbo

/** Turbo waits 150 ms for more refreshes before it begins one, and a form's answer takes a moment to become a visit. */
const BEGIN_MS = 1000
/** So often Turbo may begin a refresh and show nothing. */
const TURBO_VISITS = 2
/** After so many failures the page says so. It goes on trying. */
const FAILURES_SHOWN = 3
/** Within which Turbo shows an answer that it has. */
const ANSWER_MS = 10_000
const RELOADED = 'hotcable-reloaded'
const RELOAD_AGAIN_MS = 30_000

/** Forms that are on their way. */
const submissions = new Set()
/** Controls of a form that was submitted since they were changed. */
const submitted = /** @type {WeakSet<Element>} */ (new WeakSet())
const edited = /** @type {WeakSet<Element>} */ (new WeakSet())
/** Whether a visit is under way, and whether it is the cable's refresh. */
let visit = /** @type {'none' | 'other' | 'heal'} */ ('none')
let visits = 0
/** Whether the next visit that replaces the page by itself is the cable's refresh. */
let expected = false
let showsRejectedForm = false
let isMorphing = false
/** What a person has put into the page before a refresh, and where. */
const kept = /** @type {Map<Element, { key: string, content: unknown }>} */ (new Map())
let failures = 0
/** Not before this time is the page asked for again. */
let retryAt = 0
/** Visits for a refresh that Turbo began, and that rendered nothing. */
let unrendered = 0

const isMissing = () => page.asked && lacks(page, [...identifiers(), NO_SOURCE])

/** @param {Event} event */
function beforeStream(event) {
  const { detail, target } = /** @type {CustomEvent<{ newStream?: Element } | null>} */ (event)
  const stream = detail?.newStream ?? /** @type {Element} */ (target)
  // Turbo would take this action for an error.
  if (stream.getAttribute('action') === 'hotcable') return event.preventDefault()
  warnOfFrame(stream)
  warnOfTarget(stream)
  if (stream.getAttribute('data-hotcable') !== 'heal') return
  apply({ type: 'refresh', identifier: deliverer === undefined ? NO_SOURCE : identifierOf(deliverer) })
  const isHere = document.baseURI.split('#')[0] === location.href.split('#')[0]
  const isTurbos = isHere && submissions.size === 0 && !showsRejectedForm && hasRefresh()
  if (!isTurbos) event.preventDefault()
  expected = isTurbos && visit === 'none'
  if (isTurbos || submissions.size > 0) refreshLater(BEGIN_MS)
  else refresh()
  show()
}

/** Turbo 7 has none. */
const hasRefresh = () => turbo()?.session?.refresh !== undefined

const refreshLater = alarm(refresh)

function refresh() {
  if (!isMissing() || submissions.size > 0) return
  if (visit !== 'none') return refreshLater(BEGIN_MS)
  if (showsRejectedForm) return stuck('form')
  const waitMs = retryAt - performance.now()
  if (waitMs > 0) return refreshLater(waitMs)
  const options = { action: 'replace', shouldCacheSnapshot: false, refresh: { method: 'morph', scroll: 'preserve' } }
  expected = true
  if (hasRefresh() && unrendered < TURBO_VISITS) turbo()?.visit(location.href, options)
  expected = false
  // (Another function sets it, which a type checker cannot see.)
  if (/** @type {string} */ (visit) === 'none') return void reload()
  unrendered++
  refreshLater(BEGIN_MS)
}

/** Loads the page anew, if nothing is lost by it and the app answers with this page. */
async function reload() {
  if (editable().some(isUnsaved)) return stuck('unsaved')
  const place = [location.href, ...sources().map(({ dataset }) => dataset.position)].sort().join()
  const last = recall()
  if (last?.place === place) return stuck('cache')
  if (last && Date.now() - last.at < RELOAD_AGAIN_MS) return refreshLater(RELOAD_AGAIN_MS)
  const answer = await fetchPage().catch(() => undefined)
  if (answer === undefined || !isThisPage(answer)) return failed()
  if (!isMissing() || submissions.size > 0 || visit !== 'none') return refreshLater(BEGIN_MS)
  if (!remember({ place, at: Date.now() })) return stuck('failing')
  location.reload()
}

/** @returns {{ place: string, at: number } | undefined} */
function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(RELOADED) ?? '')
  } catch {
    return undefined
  }
}

/** Returns false where storage is forbidden. @param {object} last */
function remember(last) {
  try {
    sessionStorage.setItem(RELOADED, JSON.stringify(last))
    return true
  } catch {
    return false
  }
}

/** The app answered with an error, its login page or not at all: the page stays as it is. */
function failed() {
  unrendered = 0
  if (++failures >= FAILURES_SHOWN) apply({ type: 'stuck', obstacle: 'failing' })
  const waitMs = backOffMs(failures)
  retryAt = performance.now() + waitMs
  refreshLater(waitMs)
  show()
}

/** @param {Obstacle} obstacle */
function stuck(obstacle) {
  apply({ type: 'stuck', obstacle })
  show()
}

/** @param {Response} response */
const isThisPage = ({ ok, redirected, url }) => ok && !(redirected && new URL(url).pathname !== location.pathname)

/** The answer to the cable's own refresh, before Turbo puts it in the place of the page. @param {Event} event */
function beforeResponse(event) {
  const { fetchResponse } = /** @type {CustomEvent<{ fetchResponse: { response: Response } }>} */ (event).detail
  if (event.target !== document.documentElement) return
  if (visit === 'heal' && !isThisPage(fetchResponse.response)) giveUp(event)
  else answered(visits)
}

/** @param {Event} event */
function requestError(event) {
  if (event.target === document.documentElement && visit === 'heal') giveUp(event)
}

/** @param {Event} event */
function giveUp(event) {
  const current = turbo()?.navigator?.currentVisit
  if (current?.fail === undefined) return
  event.preventDefault()
  visit = 'none'
  current.fail()
  failed()
}

/** An answer that nobody shows leaves its visit set until the next one. @param {number} number */
function answered(number) {
  setTimeout(() => {
    if (visits === number) visit = 'none'
  }, ANSWER_MS)
}

/** @param {Event} event */
function visited(event) {
  const { url, action } = /** @type {CustomEvent<{ url: string, action: string }>} */ (event).detail
  const isHere = url.split('#')[0] === location.href.split('#')[0]
  visits++
  visit = expected && action === 'replace' && isHere ? 'heal' : 'other'
  expected = false
}

const isPreview = () => document.documentElement.hasAttribute('data-turbo-preview')

/** @param {Event} event */
function beforeRender(event) {
  const { newBody } = /** @type {CustomEvent<{ newBody?: Element }>} */ (event).detail
  // A page out of Turbo's cache is a copy of one that was connected.
  for (const source of newBody?.querySelectorAll(SOURCE) ?? []) source.removeAttribute('connected')
  isMorphing = visit === 'heal'
  kept.clear()
  if (isMorphing)
    for (const element of editable())
      if (isUnsaved(element)) kept.set(element, { key: keyOf(element), content: contentOf(element) })
  checkIdentity()
}

function rendered() {
  isMorphing = false
  if (isPreview()) return
  restore()
  failures = 0
  retryAt = 0
  unrendered = 0
  expected = false
  const positions = new Map(sources().map(source => [identifierOf(source), source.dataset.position ?? '-']))
  // A source whose client has not attached yet is a new one.
  positions.delete('')
  apply({ type: 'rendered', positions })
  checkIdentity()
  look()
}

/** @param {Event} event */
function submitStarted(event) {
  submissions.add(/** @type {CustomEvent} */ (event).detail.formSubmission)
  visit = 'none'
  expected = false
}

/** @param {Event} event */
function submitEnded(event) {
  const { formSubmission, success, fetchResponse } = /** @type {CustomEvent} */ (event).detail
  submissions.delete(formSubmission)
  /** @type {Response | undefined} */
  const response = fetchResponse?.response
  const isRejected = !success && response !== undefined && response.status < 500
  showsRejectedForm = isRejected && /html/.test(response?.headers.get('content-type') ?? '')
  if (!success) for (const control of formSubmission.formElement?.elements ?? []) submitted.delete(control)
  if (isMissing()) refreshLater(BEGIN_MS)
}

/** @param {Element} element @returns {element is Control} */
const isControl = element => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)

const editable = () => [...document.querySelectorAll('input, textarea, select, [contenteditable]')]

/** Whether a person has put something into it that was not sent. @param {Element} element */
function isUnsaved(element) {
  if (!isControl(element)) return edited.has(element)
  if (submitted.has(element) || element.type === 'hidden' || element.checkVisibility?.() === false) return false
  if ('options' in element) return [...element.options].some(isChosen)
  if (element.type === 'file') return element.value !== ''
  if (isTicked(element)) return element.checked !== element.defaultChecked
  return !/^(submit|button|image|reset)$/.test(element.type) && element.value !== element.defaultValue
}

/** @param {HTMLOptionElement} option */
function isChosen(option) {
  const list = option.closest('select')
  const hasDefault = [...(list?.options ?? [])].some(({ defaultSelected }) => defaultSelected)
  const isDefault = hasDefault || list?.multiple ? option.defaultSelected : option.index === 0
  return option.selected !== isDefault
}

/** Which control of which form it is, so that a morph does not hand text on to another. @param {Element} element */
const keyOf = element =>
  [element, element.closest('form')]
    .map(each => [each?.id, ...['name', 'type', 'action'].map(name => each?.getAttribute(name))])
    .join()

/** @param {Event} event */
function beforeMorph(event) {
  const { currentElement, newElement } = /** @type {CustomEvent<{ currentElement: Element, newElement?: Element }>} */ (
    event
  ).detail
  if (isMorphing && newElement && kept.get(currentElement)?.key === keyOf(newElement)) event.preventDefault()
}

/** A morph that made a control into another one left its words behind: they go to the control that it was. */
function restore() {
  for (const [element, { key, content }] of kept) {
    if (!isControl(element) || (element.isConnected && keyOf(element) === key)) continue
    const heir = editable().find(each => !kept.has(each) && keyOf(each) === key)
    if (heir && isControl(heir)) fill(heir, content)
  }
  kept.clear()
}

/** @param {Element} element @returns {unknown} */
function contentOf(element) {
  if (!isControl(element)) return undefined
  if ('options' in element) return [...element.options].map(({ selected }) => selected)
  return isTicked(element) ? element.checked : element.value
}

/** @param {Control} control @param {any} content Of a control of the same kind. */
function fill(control, content) {
  if ('options' in control) for (const option of control.options) option.selected = content[option.index] ?? false
  else if (isTicked(control)) control.checked = content
  else if (control.type !== 'file') control.value = content
}

/** @param {Control} control @returns {control is HTMLInputElement} */
function isTicked(control) {
  return control.type === 'checkbox' || control.type === 'radio'
}

/** @param {Event} event */
function beforeMorphAttribute(event) {
  const { attributeName, mutationType } = /** @type {CustomEvent<{ attributeName: string, mutationType?: string }>} */ (
    event
  ).detail
  const { localName } = /** @type {Element} */ (event.target)
  // It is the client's, not the page's.
  if (localName === SOURCE && attributeName === 'connected') event.preventDefault()
  const opens = localName === 'details' || localName === 'dialog'
  if (isMorphing && opens && attributeName === 'open' && mutationType === 'remove') event.preventDefault()
}

/** @param {Event} event */
function edit({ target }) {
  if (!(target instanceof HTMLElement)) return
  submitted.delete(target)
  const host = target.closest('[contenteditable]')
  if (host) edited.add(host)
}

/** @param {Event} event */
function submit({ target }) {
  if (target instanceof HTMLFormElement) for (const control of target.elements) submitted.add(control)
}

/** A frame that is loading has no target yet for what its page's streams say. @param {Element} stream */
function warnOfFrame(stream) {
  if (deliverer === undefined) return
  const frame = document.getElementById(stream.getAttribute('target') ?? '')?.closest('turbo-frame[src]')
  if (!frame || frame.querySelector(SOURCE)) return
  warn(
    frame.id,
    'a frame misses what is broadcast while it is loading: put stream_from into the answer that it loads.',
    frame,
  )
}

/** The source whose message Turbo is showing. @type {Source | undefined} */
let deliverer

/** @param {Event} event */
function delivering(event) {
  const { target, data } = /** @type {MessageEvent} */ (event)
  if (!(target instanceof Element) || target.localName !== SOURCE) return
  const source = /** @type {Source} */ (target)
  deliverer = source
  queueMicrotask(() => {
    deliverer = undefined
  })
  if (typeof data === 'string' && data.startsWith('<turbo-stream action="hotcable"')) told(source, data)
}

// ---- Token: which page is this connection for, and a new token when the old one expires.

/** What a page says of its cable. @param {Document} document @returns {Credentials} */
export function credentials(document = globalThis.document) {
  /** @param {string} name */
  const meta = name => document.querySelector(`meta[name="${name}"]`)?.getAttribute('content') || undefined
  const railsUrl = meta('action-cable-url')
  const given = meta('cable-url') ?? railsUrl
  const param = meta('cable-token-param') ?? meta('action-cable-token-param') ?? 'jid'
  const token = meta('cable-token') ?? meta('action-cable-token') ?? tokenIn(railsUrl, param)
  return { url: given && addressOf(given, param).href, railsUrl, param, token, identity: identityOf(token) }
}

/** Without its token. @param {string} url @param {string} param */
function addressOf(url, param) {
  const address = new URL(url, document.baseURI)
  address.protocol = address.protocol.replace('http', 'ws')
  address.searchParams.delete(param)
  return address
}

/** @param {string | undefined} url @param {string} param */
const tokenIn = (url, param) =>
  url === undefined ? undefined : (new URL(url, document.baseURI).searchParams.get(param) ?? undefined)

/** The token's `ext`. Tokens of one user differ at each render. @param {string | undefined} token */
export function identityOf(token) {
  try {
    const claims = (token ?? '').split('.')[1] ?? ''
    return JSON.stringify(JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).ext)
  } catch {
    return undefined
  }
}

/** Whether one connection serves both pages. @param {Credentials} a @param {Credentials} b */
export const isSame = (a, b) => a.url === b.url && a.identity === b.identity

/** A page for another user, or for none: the connection of the one before is closed before the next one opens. */
function checkIdentity() {
  if (isPreview()) return
  const now = credentials()
  for (const [consumer, before] of consumers) {
    consumers.set(consumer, now)
    if (isSame(before, now)) {
      // The page's token lasts longer than the one before it.
      if (now.token) address(consumer, now)
      continue
    }
    const { webSocket } = consumer.connection
    consumer.disconnect()
    webSocket?.close()
    lost()
    address(consumer, now)
    if (now.railsUrl) consumer.connect()
  }
}

/** @param {Consumer} consumer @param {Credentials} fresh */
function address(consumer, { token, railsUrl, param }) {
  const url = addressOf(railsUrl ?? consumer.url, param)
  if (token) url.searchParams.set(param, token)
  consumer._url = url.href
  // A token given as a subprotocol outranks the one in the URL. @rails/actioncable before 7.1 knows none.
  if (consumer.subprotocols)
    consumer.subprotocols = [
      ...consumer.subprotocols.filter(each => !each.startsWith(SUBPROTOCOL)),
      ...(token ? [SUBPROTOCOL + token] : []),
    ]
}

const SUBPROTOCOL = 'anycable-token.'

/** @param {Consumer} consumer */
const tokenOf = ({ url, subprotocols }) =>
  subprotocols?.find(each => each.startsWith(SUBPROTOCOL))?.slice(SUBPROTOCOL.length) ??
  tokenIn(url, credentials().param)

const LASTS_MS = 30_000

/**
 * Fetches the token of this very page, rendered anew, until it is another than the one that was refused. It pauses
 * between attempts, longer each time, and so it does when new tokens are refused as well. @returns `undefined` once
 * it is not wanted any more.
 */
export function createRenewal() {
  let attempts = 0
  let renewedAt = Number.NEGATIVE_INFINITY
  const refused = /** @type {Set<string | undefined>} */ (new Set([undefined]))
  return async (/** @type {string | undefined} */ used, /** @type {() => boolean} */ isWanted) => {
    refused.add(used)
    if (performance.now() - renewedAt > LASTS_MS) attempts = 0
    for (; ; attempts++) {
      if (attempts > 0) await pause(backOffMs(attempts - 1))
      if (!isWanted()) return undefined
      const here = credentials()
      const fresh = refused.has(here.token) ? await fetchCredentials().catch(() => undefined) : here
      if (!isWanted()) return undefined
      if (fresh === undefined || refused.has(fresh.token)) continue
      attempts++
      renewedAt = performance.now()
      return fresh
    }
  }
}

/** A page that Turbo renders meanwhile brings a token. @param {number} ms @returns {Promise<unknown>} */
const pause = ms =>
  new Promise(resolve => {
    setTimeout(resolve, ms)
    addEventListener('turbo:render', resolve, { once: true })
  })

const fetchPage = () =>
  fetch(location.href, {
    cache: 'no-store',
    headers: { Accept: 'text/html, application/xhtml+xml', 'X-ANYCABLE-OPERATION': 'token-refresh' },
  })

async function fetchCredentials() {
  const answer = await fetchPage()
  if (!answer.ok) return undefined
  return credentials(new DOMParser().parseFromString(await answer.text(), 'text/html'))
}

// ---- Mistakes that break nothing at once: the console names each once, with the fix. Those that may be meant, only with --dev.

let isDeveloping = false
let targets = 0
/** Lists that differ from page to page may have very many. */
const MOST_TARGETS = 20

/** @param {State} state */
function warnOfMistakes(state) {
  warnOfHead(state === 'offline' || state === 'refused')
  if (isDeveloping) for (const source of sources()) warnOfPosition(source)
}

/** @param {boolean} isAlone The cable refused the page, or did not answer. */
function warnOfHead(isAlone) {
  const urls = /** @type {NodeListOf<HTMLMetaElement>} */ (document.head.querySelectorAll('meta[name$="cable-url"]'))
  for (const meta of urls)
    if (/^https?:/i.test(meta.content))
      warn('http', 'the URL of a cable begins with ws:// or wss://, and this one with http.', meta)
  if (!isAlone) return
  const { url, token } = credentials()
  const missing = [url ?? 'cable-url', token ?? 'cable-token']
    .filter(name => name.startsWith('cable-'))
    .join(' and no ')
  if (missing)
    warn(
      'head',
      `the page has no meta tag ${missing}: put what meta_tags(identity) returns into its head.`,
      document.head,
    )
}

/** @param {Source} source */
function warnOfPosition(source) {
  const { position } = source.dataset
  if (position === '-')
    warn(
      'position -',
      'a stream has the position "-", so the cable refreshes the page: the app could not ask the cable where the stream is. Does it have the ANYCABLE_SECRET and the URL of this cable?',
      source,
    )
  else if (!/^\d+\/[\w-]+$/.test(position ?? ''))
    warn(
      `position ${position}`,
      `a stream has ${position === undefined ? 'no data-position' : `the data-position "${position}"`}, so the page misses what is broadcast between its query and its subscription: ask position() before the query, and give the answer to stream_from.`,
      source,
    )
}

/** @param {Element} stream Before Turbo renders it. */
function warnOfTarget(stream) {
  const id = stream.getAttribute('target')
  const selector = id ? `#${CSS.escape(id)}` : stream.getAttribute('targets')
  if (!isDeveloping || !selector || document.querySelector(selector)) return
  // A stream before it in the same message may bring its target.
  setTimeout(() => {
    if (warned.has(selector) || document.querySelector(selector) || ++targets > MOST_TARGETS) return
    warn(selector, `a stream for ${selector} did nothing, as the page has no such element.`, stream)
  }, 200)
}

// ---- Start, in a browser.

if (globalThis.document !== undefined) {
  class HotcableStatus extends HTMLElement {
    connectedCallback() {
      if (!this.hasAttribute('role')) this.setAttribute('role', 'status')
      pills.add(this)
      show()
    }

    disconnectedCallback() {
      pills.delete(this)
    }
  }

  page = { ...page, downSince: performance.now() }
  addEventListener('message', delivering, true)
  addEventListener('turbo:before-stream-render', beforeStream)
  addEventListener('turbo:before-fetch-response', beforeResponse)
  addEventListener('turbo:fetch-request-error', requestError)
  addEventListener('turbo:visit', visited)
  addEventListener('turbo:before-render', beforeRender)
  addEventListener('turbo:render', rendered)
  addEventListener('turbo:load', () => {
    visit = 'none'
    showsRejectedForm = false
  })
  addEventListener('turbo:reload', () => {
    visit = 'none'
  })
  addEventListener('turbo:submit-start', submitStarted)
  addEventListener('turbo:submit-end', submitEnded)
  addEventListener('turbo:before-morph-element', beforeMorph)
  addEventListener('turbo:before-morph-attribute', beforeMorphAttribute)
  addEventListener('input', edit, true)
  addEventListener('change', edit, true)
  addEventListener('submit', submit, true)
  // Turbo replaces elements, and a morph empties the status.
  const observer = new MutationObserver(changes => {
    if (note(changes)) look()
  })
  observer.observe(document, { attributeFilter: ['connected'], childList: true, subtree: true })
  for (const source of sourcesIn(document.documentElement)) present.add(source)
  addEventListener('online', () => show())
  addEventListener('offline', () => show())
  customElements.define(STATUS, HotcableStatus)
  customElements.whenDefined(SOURCE).then(look)
  look()
}
