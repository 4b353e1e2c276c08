/**
 * The types of hotcable-status.js: copy this file beside it when your project checks types.
 *
 * Importing the script starts it and defines <hotcable-status>. Its events are typed for `addEventListener` below. What it
 * exports besides serves the tests, and a client that opens its own connection, as streams.ts does.
 */

/** What the element shows as `data-state`. */
export type Status = 'live' | 'connecting' | 'stale' | 'offline' | 'refused'

/** Why the cable refused something: the code, and how to mend it (empty unless the cable runs with --dev). */
export interface Refusal {
  readonly code: string
  readonly fix: string
}

/** Whether the cable refreshes a page that missed messages: at once, not for now, or never. */
export type GapRefresh = 'coming' | 'held-back' | 'off'

/** Why the page could not refresh itself. */
export type Obstacle = 'form' | 'unsaved' | 'failing' | 'cache'

declare global {
  interface GlobalEventHandlersEventMap {
    /** The cable confirmed a subscription; `reconnected`: not for the first time. */
    'hotcable:connected': CustomEvent<{ readonly reconnected: boolean }>
    /** The connection is lost; `reconnect`: the client will open another one. */
    'hotcable:disconnected': CustomEvent<{ readonly reconnect: boolean }>
    /** The cable refused a subscription or the whole session. */
    'hotcable:rejected': CustomEvent<Refusal>
    /** The missed messages have arrived; `messages`: their number, absent if the cable did not say it. */
    'hotcable:resumed': CustomEvent<{ readonly messages?: number }>
    /** Messages are lost; the page is whole again after its next refresh. */
    'hotcable:gap': CustomEvent<Refusal & { readonly refresh?: GapRefresh | undefined }>
  }
}

/** Everything that happened to the page. Never changed in place. */
export interface PageState {
  readonly isConnected: boolean
  /** When the connection was lost, in ms of `performance.now()`. */
  readonly disconnectedAt: number
  /** The cable ended the session for good. */
  readonly refusal: Refusal | undefined
  /** The cable runs with --dev. */
  readonly isDeveloping: boolean
  /** By identifier; '' collects what arrived without a source, by server-sent events. */
  readonly streams: ReadonlyMap<string, StreamState>
  /** The identifier of the message that Turbo is showing right now. */
  readonly delivering: string | undefined
  /** The cable asked for a refresh that the page has not shown yet. */
  readonly isRefreshAsked: boolean
  readonly obstacle: Obstacle | undefined
  readonly turbo: TurboState
  /** What the element showed last. */
  readonly shown: Status
}

export interface StreamState {
  readonly isConfirmed: boolean
  /** It was confirmed at least once. */
  readonly wasConfirmed: boolean
  /** Its last confirmation was not its first. */
  readonly isReconfirmed: boolean
  readonly isCatchingUp: boolean
  /** Messages are lost; the value says whether a refresh follows. */
  readonly gap: GapRefresh | undefined
  readonly refusal: Refusal | undefined
}

/** What Turbo is doing with the page. */
export interface TurboState {
  /** The visit under way: the cable's refresh, or another one. */
  readonly visit: 'none' | 'refresh' | 'other'
  /** How many visits have started. */
  readonly visits: number
  /** The next visit that replaces this page is the cable's refresh. */
  readonly expectsRefresh: boolean
  readonly isMorphing: boolean
  /** Forms that Turbo has sent and that the app has not answered. */
  readonly forms: ReadonlySet<unknown>
  /** The page shows a form that the app did not accept. */
  readonly showsRejectedForm: boolean
  /** Refreshes in a row that the app answered with an error or with another page. */
  readonly failures: number
  /** The page is not fetched before this time, in ms of `performance.now()`. */
  readonly retryAt: number
  /** Refreshes that Turbo started and has not shown. */
  readonly unrendered: number
}

export type PageEvent =
  | { readonly type: 'frame'; readonly frame: Frame }
  /** The client subscribed this source before the script saw a confirmation. */
  | { readonly type: 'attached'; readonly identifier: string }
  | { readonly type: 'connection-lost'; readonly at: number }
  | { readonly type: 'catching-up' | 'caught-up'; readonly identifier: string }
  | { readonly type: 'gap'; readonly identifier: string; readonly refresh: GapRefresh }
  | { readonly type: 'sources-changed'; readonly identifiers: ReadonlySet<string> }
  | { readonly type: 'delivery-started'; readonly identifier: string }
  | { readonly type: 'delivery-ended' }
  /** The cable's refresh arrived; `byTurbo`: Turbo performs it. */
  | { readonly type: 'refresh-asked'; readonly byTurbo: boolean }
  | { readonly type: 'refresh-blocked'; readonly obstacle: Obstacle }
  | { readonly type: 'refresh-failed'; readonly retryAt: number }
  /** Around the call that asks Turbo for a visit. */
  | { readonly type: 'asking-turbo' | 'asked-turbo' }
  | { readonly type: 'visit-started'; readonly replacesPage: boolean }
  /** `number`: only if no other visit has started since. */
  | { readonly type: 'visit-ended'; readonly number?: number }
  | { readonly type: 'page-loaded' | 'rendering' | 'preview-rendered' }
  /** `positions`: of the page's sources, by identifier. */
  | { readonly type: 'rendered'; readonly positions: ReadonlyMap<string, string> }
  | { readonly type: 'form-sent'; readonly form: unknown }
  | { readonly type: 'form-answered'; readonly form: unknown; readonly showsRejectedForm: boolean }
  | { readonly type: 'shown'; readonly status: Status }

/** A message of the cable, as far as the script reads it. */
export interface Frame {
  readonly type?: string
  readonly identifier?: string
  readonly reason?: string
  readonly reconnect?: boolean
  readonly restored_ids?: readonly string[]
  readonly dev?: boolean
  readonly refresh?: GapRefresh
  readonly code?: string
  readonly fix?: string
}

/** What a status depends on besides the state. */
export interface Surroundings {
  /** Of the page's sources, '' for a source without a client. */
  readonly identifiers: readonly string[]
  readonly awayMs: number
  readonly isOnline: boolean
}

export const INITIAL: PageState

/** The state after the event; the same object if the event changes nothing. Pure. */
export function next(state: PageState, event: PageEvent): PageState

/** What a page with streams shows. Pure. */
export function statusOf(state: PageState, surroundings: Surroundings): Status

/** The element's text and title. Pure. */
export function wordsOf(
  state: PageState,
  status: Status,
  identifiers: readonly string[],
): { text: string; title: string }

/** How long to wait after so many failures, in ms: doubles from about 1 s to 10 s, with a random spread. */
export function backOffMs(failures: number): number

/** The page's cable: its URL without the token, the token, and its user (the JSON of its `ext`). */
export interface Credentials {
  readonly url: string | undefined
  readonly railsUrl: string | undefined
  token: string | undefined
  /** The URL's parameter for the token. */
  readonly param: string
  readonly identity: string | undefined
}

/** Reads the meta tags. */
export function credentials(document?: Document): Credentials

/** The JSON of the token's `ext`; `undefined` for a text that is not a token. */
export function identityOf(token: string | undefined): string | undefined

type Owner = Pick<Credentials, 'url' | 'identity'>

/** Whether one connection may serve both pages. */
export function isSame(a: Owner, b: Owner): boolean

/**
 * Returns a function that fetches this page until it holds a token that the cable has not refused yet. `used` is the refused
 * token. Pauses between attempts, longer each time. Resolves to `undefined` once `isWanted` returns false.
 */
export function createRenewal(): (used: string | undefined, isWanted: () => boolean) => Promise<Credentials | undefined>

/** Subscribes the source again, as its client does when the element enters the page. */
export function reattach(source: Source): void

/** <turbo-cable-stream-source> of either client, as far as the script touches it. */
export interface Source extends HTMLElement {
  channel?: Partial<Channel>
  subscription?: { identifier: string; consumer: Consumer }
  connectedCallback?: () => void
  disconnectedCallback?: () => void
}

/** Of @anycable/core. */
interface Channel {
  identifier: string
  state: string
  receiver: Cable
}

interface Cable extends Emitter {
  transport: Emitter
}

interface Emitter {
  on: (event: string, then: (data: unknown) => void) => void
}

/** Of @rails/actioncable; versions before 7.1 have no subprotocols. */
export interface Consumer {
  url: string
  _url?: string
  subprotocols?: string[]
  connect: () => void
  disconnect: () => void
  connection: { webSocket?: WebSocket | null; installEventHandlers: () => void }
}
