/**
 * <hotcable-status></hotcable-status> shows how live the page is. One file to copy, for either client of Turbo Streams
 * over a cable (@anycable/turbo-stream or @hotwired/turbo-rails, both unmodified); import it beside the client.
 *
 *   data-state   text
 *   live         live                       connected, and every stream of the page is confirmed and up to date
 *   connecting   catching up                not live yet, or again not live
 *   stale        something may be missing   and the page cannot refresh itself: a button reloads it
 *   offline      offline                    no connection for 4 s, or no network
 *   refused      refused                    the cable refused the page; with --dev the title gives the fix
 *
 * On a page without streams the element is hidden.
 *
 * With or without the element, every <turbo-cable-stream-source> gets these events, which bubble:
 *
 *   hotcable:connected      { reconnected }         the cable confirmed its subscription
 *   hotcable:disconnected   { reconnect }           the connection is lost; `reconnect`: the client opens another one
 *   hotcable:rejected       { code, fix }           the cable refused it; `fix` is empty without --dev
 *   hotcable:resumed        { messages }            the missed messages have arrived; their number, if the cable says it
 *   hotcable:gap            { refresh, code, fix }  messages are lost; the cable refreshes the page if `refresh` is
 *                                                   "coming", and does not if it is "held-back" or "off"
 *
 * A source with a `data-events` attribute asks the cable to report catching up, and the reason of a gap.
 *
 * The script also mends what the clients do not:
 *
 *   refresh   Turbo drops a refresh during a visit. The page refreshes later, and stays "catching up" until then if the
 *             cable asked for it. It first waits for a form that was sent. The cable's refresh keeps what a person typed
 *             and opened.
 *   form      A form whose answer is lost may have made a change, and the cable may not send it to the page that made it
 *             (`exclude`). The script refreshes the page.
 *   token     @hotwired/turbo-rails stops for ever when its token expires. The script fetches the page and gives the
 *             client the new token. When another user signs in, the script opens a new connection.
 *   stream    A subscription that met a limit, or timed out, is tried again.
 *
 * Four sections: the element, the state, the clients, the token. Types: hotcable-status.d.ts.
 */

/** @import { Consumer, Credentials, Frame, GapRefresh, Obstacle, PageEvent, PageState, Source, Status, StreamState, TurboState } from './hotcable-status.js' */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */
/** @typedef {{ visit: (url: string, options: object) => void, renderStreamMessage: (html: string) => void, session?: { refresh?: unknown }, navigator?: { currentVisit?: { fail?: () => void }, stop?: () => void } }} Turbo What the script touches. */

// ==== The element: what it shows, the events that sources get, and mistakes that the console names.

const STATUS = 'hotcable-status'
const SOURCE = 'turbo-cable-stream-source'
/** Every refresh subscribes anew for a moment, which the element does not show. */
const BLINK_MS = 250

/** Kept up to date by each change, because a search would take longer on a longer page. */
const sources = /** @type {Set<Source>} */ (new Set())
const statusElements = /** @type {Set<HTMLElement>} */ (new Set())

function start() {
  customElements.define(
    STATUS,
    class extends HTMLElement {
      connectedCallback() {
        if (!this.hasAttribute('role')) this.setAttribute('role', 'status')
        statusElements.add(this)
        render()
      }

      disconnectedCallback() {
        statusElements.delete(this)
      }
    },
  )
  listenToTurbo()
  addEventListener('online', () => render())
  addEventListener('offline', () => render())
  // Turbo replaces elements, and a morph empties the status.
  const observer = new MutationObserver(changes => {
    if (trackElements(changes)) attachClients()
  })
  observer.observe(document, { attributeFilter: ['connected'], childList: true, subtree: true })
  for (const source of sourcesIn(document.documentElement)) sources.add(source)
  customElements.whenDefined(SOURCE).then(attachClients)
  attachClients()
}

/** Returns whether a source or status was added, removed or changed. @param {readonly MutationRecord[]} changes */
function trackElements(changes) {
  let isOurs = false
  for (const { target, addedNodes, removedNodes } of changes) {
    if (isElement(target) && (target.localName === SOURCE || target.localName === STATUS)) isOurs = true
    for (const node of [...addedNodes, ...removedNodes]) {
      for (const source of isElement(node) ? sourcesIn(node) : []) {
        isOurs = true
        if (source.isConnected) sources.add(source)
        else sources.delete(source)
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

/** '' before a client has attached to the source. @param {Source} source */
const identifierOf = ({ channel, subscription }) => channel?.identifier ?? subscription?.identifier ?? ''
const identifiers = () => [...sources].map(identifierOf)
const awayMs = () => performance.now() - state.disconnectedAt

function render(afterBlink = false) {
  const streams = identifiers()
  const hasStreams = streams.length > 0
  const surroundings = { identifiers: streams, awayMs: awayMs(), isOnline: navigator.onLine }
  const status = hasStreams ? statusOf(state, surroundings) : 'connecting'
  if (hasStreams && !afterBlink && status === 'connecting' && state.shown === 'live') return renderAfterBlink(BLINK_MS)
  apply({ type: 'shown', status })
  if (hasStreams) warnOfMistakes(status)
  if (hasStreams && status === 'connecting' && !state.isConnected) renderWhenOffline(OFFLINE_AFTER_MS - awayMs())
  const { text, title } = wordsOf(state, status, streams)
  for (const element of statusElements) {
    element.hidden = !hasStreams
    if (element.title !== title) element.title = title
    const span = element.querySelector('span')
    if (element.dataset.state === status && span?.textContent === text) continue
    element.dataset.state = status
    element.replaceChildren(createElement('span', text), ...(status === 'stale' ? [createReloadButton()] : []))
  }
}

const renderAfterBlink = createTimer(() => render(true))
const renderWhenOffline = createTimer(() => render(true))

/** @param {string} name @param {string} text */
function createElement(name, text) {
  const element = document.createElement(name)
  element.textContent = text
  return element
}

function createReloadButton() {
  const button = createElement('button', 'Reload')
  button.setAttribute('type', 'button')
  button.addEventListener('click', () => location.reload())
  return button
}

/** Runs once for all calls until then, after the delay of the first one. @param {() => void} run */
function createTimer(run) {
  let isSet = false
  return (/** @type {number} */ ms) => {
    if (isSet) return
    isSet = true
    setTimeout(() => {
      isSet = false
      run()
    }, ms)
  }
}

/** A timer with a delay that depends on how often it has run since `reset`. @param {() => void} run @param {(runs: number) => number} delayMs */
function createRetry(run, delayMs) {
  let runs = 0
  const timer = createTimer(() => {
    runs++
    run()
  })
  return {
    schedule: () => timer(delayMs(runs)),
    reset: () => {
      runs = 0
    },
  }
}

/** @param {string} identifier @param {string} name @param {object} detail @param {(source: Source) => boolean} [isFor] */
function notifyStream(identifier, name, detail, isFor = () => true) {
  for (const source of [...sources])
    if (identifierOf(source) === identifier && isFor(source)) notify(source, name, detail)
}

/** @param {Source} source @param {string} name @param {object} detail */
const notify = (source, name, detail) =>
  source.dispatchEvent(new CustomEvent(`hotcable:${name}`, { bubbles: true, detail }))

// Mistakes: the console names each once, with its fix. With --dev also those that may be meant.

/** Lists that differ from page to page may have very many targets. */
const MOST_TARGETS = 20
const warnedOf = /** @type {Set<unknown>} */ (new Set())
const warnedTargets = /** @type {Set<string>} */ (new Set())

/** @param {unknown} mistake Named once. @param {string} words @param {Element} element */
function warn(mistake, words, element) {
  if (warnedOf.has(mistake)) return
  warnedOf.add(mistake)
  console.warn(`hotcable: ${words}`, element)
}

/** @param {Status} status */
function warnOfMistakes(status) {
  warnOfUrl()
  if (status === 'offline' || status === 'refused') warnOfMissingMetas()
  if (state.isDeveloping) for (const source of sources) warnOfPosition(source)
}

function warnOfUrl() {
  const urls = /** @type {NodeListOf<HTMLMetaElement>} */ (document.head.querySelectorAll('meta[name$="cable-url"]'))
  for (const meta of urls)
    if (/^https?:/i.test(meta.content))
      warn('http', 'the URL of a cable begins with ws:// or wss://, but this one begins with http.', meta)
}

function warnOfMissingMetas() {
  const { url, token } = credentials()
  const missing = [url ? [] : 'cable-url', token ? [] : 'cable-token'].flat().join(' and no ')
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
      'a stream has the position "-", so the cable refreshes the page: the app could not ask the cable for the position. Does the app have the ANYCABLE_SECRET and the URL of this cable?',
      source,
    )
  else if (!/^\d+\/[\w-]+$/.test(position ?? ''))
    warn(
      `position ${position}`,
      `a stream has ${position === undefined ? 'no data-position' : `the data-position "${position}"`}, so the page misses what is broadcast between its query and its subscription: call position() before the query, and give the result to stream_from.`,
      source,
    )
}

/** @param {Source} source @param {boolean} isTwice Another source of the page has its stream. */
function warnOfSource(source, isTwice) {
  const name = source.getAttribute('signed-stream-name') ?? ''
  if (isTwice) warn(`${name} twice`, 'the page has one stream twice, so elements without ids are added twice.', source)
  if (source.closest('[data-turbo-permanent]'))
    warn(name, 'a stream inside data-turbo-permanent misses what is broadcast while the page is refreshed.', source)
}

/** A frame that is loading does not have the targets of its page's streams yet. @param {Element} stream */
function warnOfFrame(stream) {
  if (state.delivering === undefined) return
  const frame = document.getElementById(stream.getAttribute('target') ?? '')?.closest('turbo-frame[src]')
  if (!frame || frame.querySelector(SOURCE)) return
  warn(
    frame.id,
    'a frame misses what is broadcast while it is loading: put stream_from into the response that it loads.',
    frame,
  )
}

/** @param {Element} stream Before Turbo renders it. */
function warnOfTarget(stream) {
  const id = stream.getAttribute('target')
  const selector = id ? `#${CSS.escape(id)}` : stream.getAttribute('targets')
  if (!state.isDeveloping || !selector || document.querySelector(selector)) return
  // An earlier stream of the same message may add the target.
  setTimeout(() => {
    if (document.querySelector(selector) || warnedTargets.has(selector) || warnedTargets.size >= MOST_TARGETS) return
    warnedTargets.add(selector)
    warn(selector, `a stream for ${selector} did nothing, because the page has no such element.`, stream)
  }, 200)
}

// ==== The state: what happened to the page, and what it means. All but `apply` is pure; Node tests it.

const OFFLINE_AFTER_MS = 4000
/** Refusals that end once the page has left other streams. */
const PASSING_REFUSALS = ['subscriptions_limit', 'identifiers_limit']
/** The identifier of a refresh that came without a source, by server-sent events. */
const NO_SOURCE = ''
/** The element says so after this many failures. The page goes on trying. */
const FAILURES_SHOWN = 3

/** @type {StreamState} */
const NEW_STREAM = {
  isConfirmed: false,
  wasConfirmed: false,
  isReconfirmed: false,
  isCatchingUp: false,
  gap: undefined,
  refusal: undefined,
}

/** @type {PageState} */
export const INITIAL = {
  isConnected: false,
  disconnectedAt: 0,
  refusal: undefined,
  isDeveloping: false,
  streams: new Map(),
  delivering: undefined,
  isRefreshAsked: false,
  obstacle: undefined,
  turbo: {
    visit: 'none',
    visits: 0,
    expectsRefresh: false,
    isMorphing: false,
    forms: new Set(),
    showsRejectedForm: false,
    failures: 0,
    retryAt: 0,
    unrendered: 0,
  },
  shown: 'connecting',
}

/** @type {PageState} */
let state = { ...INITIAL, disconnectedAt: performance.now() }

/** The only writer of `state`. @param {PageEvent} event */
function apply(event) {
  state = next(state, event)
}

/** @param {PageState} state @param {PageEvent} event @returns {PageState} */
export function next(state, event) {
  const { turbo } = state
  switch (event.type) {
    case 'frame':
      return afterFrame(state, event.frame)
    case 'attached':
      return confirmStream({ ...state, isConnected: true }, event.identifier)
    case 'connection-lost': {
      const streams = mapStreams(state, stream => ({ ...stream, isConfirmed: false, isCatchingUp: false }))
      return {
        ...state,
        isConnected: false,
        disconnectedAt: state.isConnected ? event.at : state.disconnectedAt,
        streams,
      }
    }
    case 'catching-up':
    case 'caught-up':
      return withStream(state, event.identifier, { isCatchingUp: event.type === 'catching-up' })
    case 'gap':
      return withStream(state, event.identifier, { gap: event.refresh })
    case 'sources-changed': {
      const streams = new Map([...state.streams].filter(([identifier]) => event.identifiers.has(identifier)))
      return streams.size === state.streams.size ? state : { ...state, streams }
    }
    case 'delivery-started':
      return { ...state, delivering: event.identifier }
    case 'delivery-ended':
      return { ...state, delivering: undefined }
    case 'refresh-asked': {
      const expectsRefresh = event.byTurbo && turbo.visit === 'none'
      const asked = withStream(state, state.delivering ?? NO_SOURCE, { gap: 'coming' })
      return withTurbo({ ...asked, isRefreshAsked: true }, { expectsRefresh })
    }
    case 'refresh-blocked':
      return { ...state, obstacle: event.obstacle }
    case 'refresh-failed': {
      const failures = turbo.failures + 1
      const obstacle = failures >= FAILURES_SHOWN ? 'failing' : state.obstacle
      return withTurbo({ ...state, obstacle }, { failures, retryAt: event.retryAt, unrendered: 0 })
    }
    case 'asking-turbo':
      return withTurbo(state, { expectsRefresh: true })
    case 'asked-turbo':
      return withTurbo(state, { expectsRefresh: false, unrendered: turbo.unrendered + Number(turbo.visit !== 'none') })
    case 'visit-started': {
      const visit = turbo.expectsRefresh && event.replacesPage ? 'refresh' : 'other'
      return withTurbo(state, { visit, visits: turbo.visits + 1, expectsRefresh: false })
    }
    case 'visit-ended':
      return (event.number ?? turbo.visits) === turbo.visits ? withTurbo(state, { visit: 'none' }) : state
    case 'page-loaded':
      return withTurbo(state, { visit: 'none', showsRejectedForm: false })
    case 'rendering':
      return withTurbo(state, { isMorphing: turbo.visit === 'refresh' })
    case 'preview-rendered':
      return withTurbo(state, { isMorphing: false })
    case 'rendered': {
      const rendered = { isMorphing: false, expectsRefresh: false, failures: 0, retryAt: 0, unrendered: 0 }
      const streams = mapStreams(state, (stream, identifier) => ({
        ...stream,
        gap: stream.gap && gapAfterRender(event.positions.get(identifier)),
      }))
      return withTurbo({ ...state, isRefreshAsked: false, obstacle: undefined, streams }, rendered)
    }
    case 'form-sent':
      return withTurbo(state, { forms: new Set(turbo.forms).add(event.form), visit: 'none', expectsRefresh: false })
    case 'form-answered': {
      const forms = new Set([...turbo.forms].filter(form => form !== event.form))
      return withTurbo(state, { forms, showsRejectedForm: event.showsRejectedForm })
    }
    case 'shown':
      return { ...state, shown: event.status }
  }
}

/** @param {PageState} state @param {Frame} frame @returns {PageState} */
function afterFrame(state, { type, identifier = '', code = '', fix = '', ...frame }) {
  const known = frame.dev === true && !state.isDeveloping ? { ...state, isDeveloping: true } : state
  if (type === 'disconnect')
    return frame.reconnect === false ? { ...known, refusal: { code: code || (frame.reason ?? ''), fix } } : known
  const connected = known.isConnected ? known : { ...known, isConnected: true }
  if (type === 'welcome') return (frame.restored_ids ?? []).reduce(confirmStream, { ...connected, refusal: undefined })
  if (type === 'confirm_subscription') {
    const { gap, isConfirmed } = known.streams.get(identifier) ?? NEW_STREAM
    // Another cable promised the refresh, and this one promises none: it may know more, or less. The page asks by itself.
    const isForsaken = gap === 'coming' && !isConfirmed && frame.refresh === undefined
    const asked = isForsaken ? { ...connected, isRefreshAsked: true } : connected
    return confirmStream(withGap(asked, identifier, frame.refresh), identifier)
  }
  if (type === 'reject_history') return withGap(connected, identifier, frame.refresh)
  if (type === 'reject_subscription') return withStream(connected, identifier, { refusal: { code, fix } })
  return connected
}

/** @param {PageState} state @param {string} identifier */
function confirmStream(state, identifier) {
  const isReconfirmed = state.streams.get(identifier)?.wasConfirmed ?? false
  return withStream(state, identifier, { isConfirmed: true, wasConfirmed: true, isReconfirmed, refusal: undefined })
}

/** A page from a cache still has the position at which messages were lost. @param {string | undefined} position @returns {GapRefresh | undefined} */
const gapAfterRender = (position = '-') => (position === '-' ? undefined : 'held-back')

/** @param {PageState} state @param {string} identifier @param {GapRefresh | undefined} gap */
const withGap = (state, identifier, gap) => (gap === undefined ? state : withStream(state, identifier, { gap }))

/** @param {PageState} state @param {string} identifier @param {Partial<StreamState>} news @returns {PageState} */
function withStream(state, identifier, news) {
  const stream = { ...(state.streams.get(identifier) ?? NEW_STREAM), ...news }
  return { ...state, streams: new Map(state.streams).set(identifier, stream) }
}

/** @param {PageState} state @param {Partial<TurboState>} news @returns {PageState} */
const withTurbo = (state, news) => ({ ...state, turbo: { ...state.turbo, ...news } })

/** @param {PageState} state @param {(stream: StreamState, identifier: string) => StreamState} change */
const mapStreams = ({ streams }, change) =>
  new Map([...streams].map(([identifier, stream]) => [identifier, change(stream, identifier)]))

/** @type {typeof import('./hotcable-status.js').statusOf} */
export const statusOf = (state, { identifiers, awayMs, isOnline }) => {
  const streams = identifiers.map(identifier => state.streams.get(identifier))
  if (state.refusal && !hasExpired(state)) return 'refused'
  if (streams.some(stream => stream?.refusal)) return 'refused'
  if (!state.isConnected) {
    if (awayMs < OFFLINE_AFTER_MS && (isOnline || hasExpired(state))) return 'connecting'
    return hasExpired(state) ? 'refused' : 'offline'
  }
  const gaps = streams.flatMap(stream => stream?.gap ?? [])
  if (gaps.length > 0) return state.obstacle || !gaps.includes('coming') ? 'stale' : 'connecting'
  return streams.every(stream => stream?.isConfirmed && !stream.isCatchingUp) ? 'live' : 'connecting'
}

/** The cable refused the token, and the client will bring a new one. @param {PageState} state */
const hasExpired = ({ refusal }) => refusal?.code === 'token_expired'

/** @param {PageState} state @param {readonly string[]} identifiers */
const hasGap = ({ streams }, identifiers) => identifiers.some(identifier => streams.get(identifier)?.gap)

const TEXTS = {
  live: 'live',
  connecting: 'catching up',
  stale: 'something may be missing',
  offline: 'offline',
  refused: 'refused',
}
const STALE_TITLES = {
  form: 'The page did not refresh itself because it shows a form that was not accepted.',
  unsaved: 'The page did not refresh itself because it holds text that was not sent.',
  failing: 'The app did not answer with this page. The page tries again.',
  cache: 'The page came out of a cache and was as old as before.',
  off: 'The cable is set not to refresh pages.',
}

/** @type {typeof import('./hotcable-status.js').wordsOf} */
export const wordsOf = (state, status, identifiers) => {
  const streams = identifiers.flatMap(identifier => state.streams.get(identifier) ?? [])
  if (status === 'refused') {
    const { code, fix } = state.refusal ?? streams.find(({ refusal }) => refusal)?.refusal ?? { code: '', fix: '' }
    return { text: code ? `refused: ${code}` : 'refused', title: fix }
  }
  if (status === 'stale') {
    const isHeldBack = streams.some(({ gap }) => gap === 'held-back')
    return { text: TEXTS.stale, title: STALE_TITLES[state.obstacle ?? (isHeldBack ? 'cache' : 'off')] }
  }
  const title =
    status === 'connecting' && hasGap(state, identifiers) ? 'Something is missing until the page is refreshed.' : ''
  return { text: TEXTS[status], title }
}

/** Enough for the longest pause. */
const MOST_BACK_OFFS = 4

/** @param {number} failures */
export const backOffMs = failures => Math.min(10_000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2)

// ==== The clients: @anycable/core, @rails/actioncable, and Turbo, which shows what they receive.

/** Sources and connections that the script already listens to. */
const attached = /** @type {WeakSet<object>} */ (new WeakSet())
/** Of @rails/actioncable; each with the credentials of the page for which it last connected. */
const consumers = /** @type {Map<Consumer, Credentials>} */ (new Map())

/** Finds the connections behind the page's sources, again until every source has one. */
function attachClients() {
  const names = new Set()
  for (const source of [...sources]) {
    const name = source.getAttribute('signed-stream-name') ?? ''
    warnOfSource(source, names.has(name))
    names.add(name)
    const { channel, subscription } = source
    if (channel?.receiver) once(channel.receiver, listenToAnyCable)
    if (subscription) once(subscription.consumer, listenToRails)
    if (identifierOf(source) !== '') attachSource(source)
  }
  apply({ type: 'sources-changed', identifiers: new Set([...identifiers(), NO_SOURCE]) })
  if (!identifiers().includes('')) attachLater.reset()
  else if (customElements.get(SOURCE)) attachLater.schedule()
  reviveAndRender()
}

const attachLater = createRetry(attachClients, runs => Math.min(10 * 2 ** runs, 1000))

/** @template {object} T @param {T} thing @param {(thing: T) => void} then */
function once(thing, then) {
  if (attached.has(thing)) return
  attached.add(thing)
  then(thing)
}

/** @param {Source} source */
function attachSource(source) {
  const identifier = identifierOf(source)
  const isFirst = !attached.has(source)
  attached.add(source)
  const stream = state.streams.get(identifier)
  // The client subscribed it before the script ran, or it shares a subscription with such a source.
  if (!stream?.wasConfirmed && isSubscribed(source, isFirst)) {
    apply({ type: 'attached', identifier })
    notifyStream(identifier, 'connected', { reconnected: false })
  } else if (isFirst && stream?.isConfirmed) notify(source, 'connected', { reconnected: false })
}

/** @rails/actioncable sets `connected` before the script sees why, so it counts only at first. @param {Source} source @param {boolean} isFirst */
const isSubscribed = ({ channel, subscription, attributes }, isFirst) =>
  channel?.state === 'connected' || (isFirst && subscription !== undefined && 'connected' in attributes)

/** @param {import('./hotcable-status.js').Cable} cable */
function listenToAnyCable(cable) {
  cable.transport.on('data', receiveFrame)
  cable.on('connect', reviveStreams)
  cable.on('disconnect', loseConnection)
  cable.on('close', loseConnection)
}

/** Listens to every WebSocket of the consumer before anything arrives on it. @param {Consumer} consumer */
function listenToRails(consumer) {
  const { connection } = consumer
  const install = connection.installEventHandlers.bind(connection)
  const renew = createRenewal()
  const listen = () => {
    const socket = connection.webSocket
    if (!socket) return
    socket.addEventListener('message', ({ data }) => receiveFrame(data))
    socket.addEventListener('close', async () => {
      if (connection.webSocket !== socket) return
      loseConnection()
      if (!hasExpired(state)) return
      const fresh = await renew(tokenOf(consumer), () => connection.webSocket === socket)
      if (fresh === undefined) return
      setCredentials(consumer, fresh)
      consumer.connect()
    })
  }
  // An app may have made a consumer for another URL.
  const given = credentials()
  if (cableUrl(consumer.url, given.param).href === given.url) consumers.set(consumer, given)
  connection.installEventHandlers = () => {
    install()
    listen()
  }
  listen()
}

/** @param {unknown} data One message of the cable, unparsed. */
function receiveFrame(data) {
  const frame = parseFrame(data)
  if (frame === undefined) return
  const { type, identifier = '', code = '', fix = '', refresh } = frame
  const before = state
  apply({ type: 'frame', frame })
  if (type === 'welcome') for (const restored of frame.restored_ids ?? []) notifyConnected(restored, before)
  else if (type === 'confirm_subscription') notifyConnected(identifier, before)
  else if (type === 'reject_subscription') notifyStream(identifier, 'rejected', { code, fix })
  else if (type === 'confirm_history' && state.streams.get(identifier)?.isReconfirmed)
    notifyStream(identifier, 'resumed', {}, source => !wantsEvents(source))
  else if (type === 'disconnect') notifyRefused(before)
  if ((type === 'reject_history' || refresh) && before.streams.get(identifier)?.gap === undefined)
    notifyStream(identifier, 'gap', { refresh, code, fix }, source => !wantsEvents(source))
  if (state.isRefreshAsked && !before.isRefreshAsked) refreshLater(backOffMs(MOST_BACK_OFFS))
  if (state !== before) reviveAndRender()
  // @anycable/core gives up a subscription that timed out, without an event.
  else if (type === 'ping') reviveStreams()
}

/** @param {unknown} data @returns {Frame | undefined} */
function parseFrame(data) {
  if (typeof data !== 'string') return undefined
  try {
    const frame = JSON.parse(data)
    return typeof frame === 'object' && frame !== null ? frame : undefined
  } catch {
    return undefined
  }
}

/** @param {string} identifier @param {PageState} before */
const notifyConnected = (identifier, before) =>
  notifyStream(identifier, 'connected', { reconnected: before.streams.get(identifier)?.wasConfirmed ?? false })

/** @param {PageState} before */
function notifyRefused(before) {
  if (state.refusal === undefined || state.refusal === before.refusal || hasExpired(state)) return
  for (const source of [...sources]) notify(source, 'rejected', state.refusal)
}

function loseConnection() {
  const { streams } = state
  apply({ type: 'connection-lost', at: performance.now() })
  const reconnect = state.refusal === undefined || hasExpired(state)
  for (const [identifier, { isConfirmed }] of streams)
    if (isConfirmed) notifyStream(identifier, 'disconnected', { reconnect })
  render()
}

/** The cable reports to this source by Turbo Streams with the action "hotcable". @param {Source} source */
const wantsEvents = source => source.dataset.events !== undefined

/** @param {Source} source @param {string} html */
function receiveReport(source, html) {
  const action = new DOMParser().parseFromString(html, 'text/html').querySelector('turbo-stream')
  /** @param {string} name */
  const value = name => action?.getAttribute(name) ?? ''
  const identifier = identifierOf(source)
  const event = value('event')
  if (event === 'catching-up') apply({ type: event, identifier })
  else if (event === 'caught-up') {
    apply({ type: event, identifier })
    const messages = Number(value('messages'))
    // The first subscription of a page that missed nothing resumes nothing.
    if (state.streams.get(identifier)?.isReconfirmed || messages > 0) notify(source, 'resumed', { messages })
  } else if (event === 'gap') {
    const refresh = /** @type {GapRefresh} */ (value('refresh'))
    apply({ type: event, identifier, refresh })
    notify(source, 'gap', { refresh, code: value('code'), fix: value('fix') })
  }
  render()
}

function reviveAndRender() {
  reviveStreams()
  render()
}

/** Tries again what a client gave up: a subscription that was refused, and in @anycable/core one that timed out. */
function reviveStreams() {
  if (![...sources].some(isGivenUp)) reviveLater.reset()
  else if (state.isConnected) reviveLater.schedule()
}

const reviveLater = createRetry(() => {
  if (state.isConnected) for (const source of [...sources].filter(isGivenUp)) reattach(source)
}, backOffMs)

/** @param {Source} source */
function isGivenUp(source) {
  const refusal = state.streams.get(identifierOf(source))?.refusal
  return refusal ? PASSING_REFUSALS.includes(refusal.code) : source.channel?.state === 'closed'
}

/** @param {Source} source */
export function reattach(source) {
  source.disconnectedCallback?.()
  source.connectedCallback?.()
  // The source may have another connection now; the script must hear its first message.
  attachClients()
}

// Turbo: it performs the refresh. The script waits, tries again, and keeps what a person typed.

/** Turbo collects refreshes for 150 ms, and the response to a form becomes a visit only after a moment. */
const BEGIN_MS = 1000
/** After this many refreshes that Turbo started and did not show, the page is loaded anew. */
const TURBO_VISITS = 2
/** Turbo shows a response that it has within this time. */
const RESPONSE_MS = 10_000
const RELOADED = 'hotcable-reloaded'
const RELOAD_AGAIN_MS = 30_000

function listenToTurbo() {
  addEventListener('message', onMessage, true)
  addEventListener('turbo:before-stream-render', onBeforeStreamRender)
  addEventListener('turbo:before-fetch-response', onBeforeFetchResponse)
  addEventListener('turbo:fetch-request-error', onFetchRequestError)
  addEventListener('turbo:visit', onVisit)
  addEventListener('turbo:before-render', onBeforeRender)
  addEventListener('turbo:render', onRender)
  addEventListener('turbo:load', () => apply({ type: 'page-loaded' }))
  addEventListener('turbo:reload', () => apply({ type: 'visit-ended' }))
  addEventListener('turbo:submit-start', onSubmitStart)
  addEventListener('turbo:submit-end', onSubmitEnd)
  addEventListener('turbo:before-morph-element', onBeforeMorphElement)
  addEventListener('turbo:before-morph-attribute', onBeforeMorphAttribute)
  addEventListener('input', onEdit, true)
  addEventListener('change', onEdit, true)
  addEventListener('submit', onSubmit, true)
}

/** @type {() => Turbo | undefined} */
const turbo = () => /** @type {{ Turbo?: Turbo }} */ (/** @type {unknown} */ (window)).Turbo

/** A source delivers a message to Turbo, which shows it before the next microtask. @param {Event} event */
function onMessage(event) {
  const { target, data } = /** @type {MessageEvent} */ (event)
  if (!(target instanceof Element) || target.localName !== SOURCE) return
  const source = /** @type {Source} */ (target)
  apply({ type: 'delivery-started', identifier: identifierOf(source) })
  queueMicrotask(() => apply({ type: 'delivery-ended' }))
  if (typeof data === 'string' && data.startsWith('<turbo-stream action="hotcable"')) receiveReport(source, data)
}

/** @param {Event} event */
function onBeforeStreamRender(event) {
  const { detail, target } = /** @type {CustomEvent<{ newStream?: Element } | null>} */ (event)
  const stream = detail?.newStream ?? /** @type {Element} */ (target)
  // Turbo reports an error for this action.
  if (stream.getAttribute('action') === 'hotcable') return event.preventDefault()
  warnOfFrame(stream)
  warnOfTarget(stream)
  if (stream.getAttribute('data-hotcable') !== 'heal') return keepIfDropped(stream)
  const { forms, showsRejectedForm } = state.turbo
  const byTurbo = isThisUrl(document.baseURI) && forms.size === 0 && !showsRejectedForm && canRefresh()
  if (!byTurbo) event.preventDefault()
  apply({ type: 'refresh-asked', byTurbo })
  if (byTurbo || forms.size > 0) refreshLater(BEGIN_MS)
  else refresh()
  render()
}

/** The app's last refresh that Turbo dropped, its stream, and how many visits had started then. */
let dropped = /** @type {{ html: string, identifier: string, visits: number } | undefined} */ (undefined)

/** Turbo drops a refresh during a visit, and the visit may show what the app had before. @param {Element} stream */
function keepIfDropped(stream) {
  const {
    delivering: identifier,
    turbo: { visits },
  } = state
  if (stream.getAttribute('action') !== 'refresh' || identifier === undefined) return
  if (turbo()?.navigator?.currentVisit === undefined) return
  dropped = { html: stream.outerHTML, identifier, visits }
  repeatLater(BEGIN_MS)
}

/** Turbo decides again, as the app made the refresh. A later visit has shown what is newer. */
const repeatLater = createTimer(() => {
  const { forms, visit, visits } = state.turbo
  if (dropped?.visits !== visits) return
  if (forms.size > 0 || visit !== 'none') return repeatLater(BEGIN_MS)
  const { html, identifier } = dropped
  dropped = undefined
  if (!identifiers().includes(identifier)) return
  // Turbo keeps a visit that it could not show.
  turbo()?.navigator?.stop?.()
  turbo()?.renderStreamMessage(html)
})

/** @param {string} url */
const isThisUrl = url => url.split('#')[0] === location.href.split('#')[0]

/** False for Turbo 7. */
const canRefresh = () => turbo()?.session?.refresh !== undefined

const refreshLater = createTimer(refresh)

function refresh() {
  const { forms, visit, showsRejectedForm, retryAt, unrendered } = state.turbo
  if (!needsRefresh() || forms.size > 0) return
  if (visit !== 'none') return refreshLater(BEGIN_MS)
  if (showsRejectedForm) return blockRefresh('form')
  const waitMs = retryAt - performance.now()
  if (waitMs > 0) return refreshLater(waitMs)
  const options = { action: 'replace', shouldCacheSnapshot: false, refresh: { method: 'morph', scroll: 'preserve' } }
  apply({ type: 'asking-turbo' })
  if (canRefresh() && unrendered < TURBO_VISITS) turbo()?.visit(location.href, options)
  apply({ type: 'asked-turbo' })
  if (state.turbo.visit === 'none') return void reload()
  refreshLater(BEGIN_MS)
}

/** The cable asked for a refresh, and the page has not shown it. */
const needsRefresh = () => state.isRefreshAsked && hasGap(state, [...identifiers(), NO_SOURCE])

/** Loads the page anew, if that loses nothing and the app answers with this page. */
async function reload() {
  if (editables().some(isUnsaved)) return blockRefresh('unsaved')
  const place = [location.href, ...[...sources].map(({ dataset }) => dataset.position)].sort().join()
  const last = lastReload()
  if (last?.place === place) return blockRefresh('cache')
  if (last && Date.now() - last.at < RELOAD_AGAIN_MS) return refreshLater(RELOAD_AGAIN_MS)
  const response = await fetchPage().catch(() => undefined)
  if (response === undefined || !isThisPage(response)) return retryRefresh()
  if (!needsRefresh() || state.turbo.forms.size > 0 || state.turbo.visit !== 'none') return refreshLater(BEGIN_MS)
  if (!storeReload({ place, at: Date.now() })) return blockRefresh('failing')
  location.reload()
}

/** @returns {{ place: string, at: number } | undefined} */
function lastReload() {
  try {
    return JSON.parse(sessionStorage.getItem(RELOADED) ?? '')
  } catch {
    return undefined
  }
}

/** Returns false where storage is forbidden. @param {object} reload */
function storeReload(reload) {
  try {
    sessionStorage.setItem(RELOADED, JSON.stringify(reload))
    return true
  } catch {
    return false
  }
}

/** The app answered with an error, with another page such as its login, or not at all: the page stays as it is. */
function retryRefresh() {
  const waitMs = backOffMs(state.turbo.failures + 1)
  apply({ type: 'refresh-failed', retryAt: performance.now() + waitMs })
  refreshLater(waitMs)
  render()
}

/** @param {Obstacle} obstacle */
function blockRefresh(obstacle) {
  apply({ type: 'refresh-blocked', obstacle })
  render()
}

/** @param {Response} response */
const isThisPage = ({ ok, redirected, url }) => ok && !(redirected && new URL(url).pathname !== location.pathname)

/** Turbo is about to replace the page with this response. @param {Event} event */
function onBeforeFetchResponse(event) {
  const { fetchResponse } = /** @type {CustomEvent<{ fetchResponse: { response: Response } }>} */ (event).detail
  if (event.target !== document.documentElement) return
  const { visit, visits } = state.turbo
  if (visit === 'refresh' && !isThisPage(fetchResponse.response)) failVisit(event)
  // Turbo reports no end of a visit if it does not show the response, such as a download.
  else setTimeout(() => apply({ type: 'visit-ended', number: visits }), RESPONSE_MS)
}

/** @param {Event} event */
function onFetchRequestError(event) {
  if (event.target === document.documentElement && state.turbo.visit === 'refresh') failVisit(event)
}

/** @param {Event} event */
function failVisit(event) {
  const visit = turbo()?.navigator?.currentVisit
  if (visit?.fail === undefined) return
  event.preventDefault()
  apply({ type: 'visit-ended' })
  visit.fail()
  retryRefresh()
}

/** @param {Event} event */
function onVisit(event) {
  const { url, action } = /** @type {CustomEvent<{ url: string, action: string }>} */ (event).detail
  apply({ type: 'visit-started', replacesPage: action === 'replace' && isThisUrl(url) })
}

/** Turbo shows a copy from its cache until the response arrives. */
const isPreview = () => document.documentElement.hasAttribute('data-turbo-preview')

/** @param {Event} event */
function onBeforeRender(event) {
  const { newBody } = /** @type {CustomEvent<{ newBody?: Element }>} */ (event).detail
  // A page out of Turbo's cache is a copy of one that was connected.
  for (const source of newBody?.querySelectorAll(SOURCE) ?? []) source.removeAttribute('connected')
  apply({ type: 'rendering' })
  drafts.clear()
  if (state.turbo.isMorphing)
    for (const element of editables())
      if (isUnsaved(element)) drafts.set(element, { key: keyOf(element), content: contentOf(element) })
  checkIdentity()
}

function onRender() {
  if (isPreview()) return apply({ type: 'preview-rendered' })
  restoreDrafts()
  const positions = new Map([...sources].map(source => [identifierOf(source), source.dataset.position ?? '-']))
  // A source without a client is new on the page.
  positions.delete('')
  apply({ type: 'rendered', positions })
  checkIdentity()
  attachClients()
}

/** @param {Event} event */
function onSubmitStart(event) {
  apply({ type: 'form-sent', form: /** @type {CustomEvent} */ (event).detail.formSubmission })
}

/** @param {Event} event */
function onSubmitEnd(event) {
  const { formSubmission, success, fetchResponse } = /** @type {CustomEvent} */ (event).detail
  const response = /** @type {Response | undefined} */ (fetchResponse?.response)
  const isRejected = !success && response !== undefined && response.status < 500
  const showsRejectedForm = isRejected && /html/.test(response.headers.get('content-type') ?? '')
  apply({ type: 'form-answered', form: formSubmission, showsRejectedForm })
  if (!success) for (const control of formSubmission.formElement?.elements ?? []) submitted.delete(control)
  if (!response && sources.size) apply({ type: 'refresh-asked', byTurbo: false })
  if (needsRefresh()) refreshLater(BEGIN_MS)
}

// Drafts: what a person typed, ticked and opened survives the cable's refresh.

/** What the page held before a refresh. */
const drafts = /** @type {Map<Element, { key: string, content: unknown }>} */ (new Map())
/** Controls of a form that was submitted, and not changed since. */
const submitted = /** @type {WeakSet<Element>} */ (new WeakSet())
/** Elements with `contenteditable` that a person edited. */
const edited = /** @type {WeakSet<Element>} */ (new WeakSet())

const editables = () => [...document.querySelectorAll('input, textarea, select, [contenteditable]')]

/** @param {Element} element @returns {element is Control} */
const isControl = element => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)

/** Whether a person changed it and has not sent it. @param {Element} element */
function isUnsaved(element) {
  if (!isControl(element)) return edited.has(element)
  if (submitted.has(element) || element.type === 'hidden' || element.checkVisibility?.() === false) return false
  if ('options' in element) return [...element.options].some(isChosen)
  if (element.type === 'file') return element.value !== ''
  if (isTickable(element)) return element.checked !== element.defaultChecked
  return !/^(submit|button|image|reset)$/.test(element.type) && element.value !== element.defaultValue
}

/** @param {HTMLOptionElement} option */
function isChosen(option) {
  const list = option.closest('select')
  const hasDefault = [...(list?.options ?? [])].some(({ defaultSelected }) => defaultSelected)
  const isDefault = hasDefault || list?.multiple ? option.defaultSelected : option.index === 0
  return option.selected !== isDefault
}

/** Names a control and its form, so that a morph does not give one control the text of another. @param {Element} element */
const keyOf = element =>
  [element, element.closest('form')]
    .map(each => [each?.id, ...['name', 'type', 'action'].map(name => each?.getAttribute(name))])
    .join()

/** A morph may have turned a control into another one: its content goes to the control that has its key now. */
function restoreDrafts() {
  for (const [element, { key, content }] of drafts) {
    if (!isControl(element) || (element.isConnected && keyOf(element) === key)) continue
    const heir = editables().find(each => !drafts.has(each) && keyOf(each) === key)
    if (heir && isControl(heir)) setContent(heir, content)
  }
  drafts.clear()
}

/** @param {Element} element @returns {unknown} */
function contentOf(element) {
  if (!isControl(element)) return undefined
  if ('options' in element) return [...element.options].map(({ selected }) => selected)
  return isTickable(element) ? element.checked : element.value
}

/** @param {Control} control @param {any} content Of a control of the same kind. */
function setContent(control, content) {
  if ('options' in control) for (const option of control.options) option.selected = content[option.index] ?? false
  else if (isTickable(control)) control.checked = content
  else if (control.type !== 'file') control.value = content
}

/** @param {Control} control @returns {control is HTMLInputElement} */
function isTickable(control) {
  return control.type === 'checkbox' || control.type === 'radio'
}

/** @param {Event} event */
function onBeforeMorphElement(event) {
  const { currentElement, newElement } = /** @type {CustomEvent<{ currentElement: Element, newElement?: Element }>} */ (
    event
  ).detail
  const isKept = newElement && drafts.get(currentElement)?.key === keyOf(newElement)
  if (state.turbo.isMorphing && isKept) event.preventDefault()
}

/** @param {Event} event */
function onBeforeMorphAttribute(event) {
  const { attributeName, mutationType } = /** @type {CustomEvent<{ attributeName: string, mutationType?: string }>} */ (
    event
  ).detail
  const { localName } = /** @type {Element} */ (event.target)
  // The client sets this attribute; a rendered page never has it.
  if (localName === SOURCE && attributeName === 'connected') event.preventDefault()
  const opens = localName === 'details' || localName === 'dialog'
  const closes = opens && attributeName === 'open' && mutationType === 'remove'
  if (state.turbo.isMorphing && closes) event.preventDefault()
}

/** @param {Event} event */
function onEdit({ target }) {
  if (!(target instanceof HTMLElement)) return
  submitted.delete(target)
  const host = target.closest('[contenteditable]')
  if (host) edited.add(host)
}

/** @param {Event} event */
function onSubmit({ target }) {
  if (target instanceof HTMLFormElement) for (const control of target.elements) submitted.add(control)
}

// ==== The token: the user of this page, and a new token when the old one expires.

const SUBPROTOCOL = 'anycable-token.'
/** A connection that lasted this long ends a series of refused tokens. */
const LASTS_MS = 30_000

/** @returns {Credentials} */
export function credentials(document = globalThis.document) {
  /** @param {string} name */
  const meta = name => document.querySelector(`meta[name="${name}"]`)?.getAttribute('content') || undefined
  const railsUrl = meta('action-cable-url')
  const given = meta('cable-url') ?? railsUrl
  const param = meta('cable-token-param') ?? meta('action-cable-token-param') ?? 'jid'
  const token = meta('cable-token') ?? meta('action-cable-token') ?? tokenIn(railsUrl, param)
  return { url: given && cableUrl(given, param).href, railsUrl, param, token, identity: identityOf(token) }
}

/** Without its token. @param {string} url @param {string} param */
function cableUrl(url, param) {
  const absolute = new URL(url, document.baseURI)
  absolute.protocol = absolute.protocol.replace('http', 'ws')
  absolute.searchParams.delete(param)
  return absolute
}

/** @param {string | undefined} url @param {string} param */
const tokenIn = (url, param) =>
  url === undefined ? undefined : (new URL(url, document.baseURI).searchParams.get(param) ?? undefined)

/** Tokens of one user differ at each render; their `ext` does not. @param {string | undefined} token */
export function identityOf(token) {
  try {
    const claims = (token ?? '').split('.')[1] ?? ''
    return JSON.stringify(JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).ext)
  } catch {
    return undefined
  }
}

/** @type {typeof import('./hotcable-status.js').isSame} */
export const isSame = (a, b) => a.url === b.url && a.identity === b.identity

/** Closes the connections of another user before one opens for this page. */
function checkIdentity() {
  if (isPreview()) return
  const now = credentials()
  for (const [consumer, before] of consumers) {
    consumers.set(consumer, now)
    if (isSame(before, now)) {
      // The page's token lasts longer than the previous one.
      if (now.token) setCredentials(consumer, now)
      continue
    }
    const { webSocket } = consumer.connection
    consumer.disconnect()
    webSocket?.close()
    loseConnection()
    setCredentials(consumer, now)
    if (now.railsUrl) consumer.connect()
  }
}

/** For the consumer's next connection. @param {Consumer} consumer @param {Credentials} fresh */
function setCredentials(consumer, { token, railsUrl, param }) {
  const url = cableUrl(railsUrl ?? consumer.url, param)
  if (token) url.searchParams.set(param, token)
  consumer._url = url.href
  // The cable prefers a token in a subprotocol to one in the URL.
  if (consumer.subprotocols)
    consumer.subprotocols = [
      ...consumer.subprotocols.filter(each => !each.startsWith(SUBPROTOCOL)),
      ...(token ? [SUBPROTOCOL + token] : []),
    ]
}

/** @param {Consumer} consumer */
const tokenOf = ({ url, subprotocols }) =>
  subprotocols?.find(each => each.startsWith(SUBPROTOCOL))?.slice(SUBPROTOCOL.length) ??
  tokenIn(url, credentials().param)

/** @type {typeof import('./hotcable-status.js').createRenewal} */
export const createRenewal = () => {
  let attempts = 0
  let renewedAt = Number.NEGATIVE_INFINITY
  const refused = /** @type {Set<string | undefined>} */ (new Set([undefined]))
  return async (used, isWanted) => {
    refused.add(used)
    if (performance.now() - renewedAt > LASTS_MS) attempts = 0
    for (; ; attempts++) {
      if (attempts > 0) await waitOrRender(backOffMs(attempts - 1))
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

/** A page that Turbo renders meanwhile may bring a token. @param {number} ms @returns {Promise<unknown>} */
const waitOrRender = ms =>
  new Promise(resolve => {
    setTimeout(resolve, ms)
    addEventListener('turbo:render', resolve, { once: true })
  })

async function fetchCredentials() {
  const response = await fetchPage()
  if (!response.ok) return undefined
  return credentials(new DOMParser().parseFromString(await response.text(), 'text/html'))
}

const fetchPage = () =>
  fetch(location.href, {
    cache: 'no-store',
    headers: { Accept: 'text/html, application/xhtml+xml', 'X-ANYCABLE-OPERATION': 'token-refresh' },
  })

// A page may load this file twice, for example alone and in hotcable.js.
if (globalThis.document !== undefined && customElements.get(STATUS) === undefined) start()
