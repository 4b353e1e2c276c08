/**
 * The pill that says how live the page is, the same for both clients, because it reads what the cable says:
 *
 *   live         connected, and every stream of the page is confirmed
 *   connecting   not yet, or not again: "catching up"
 *   offline      no connection for a while, or no network
 *   refused      the cable said no and will not change its mind; with --dev it says why
 *
 * Not read from the elements' `connected` attribute: a client that resumes leaves it on while it is away, and a morph may
 * take it off while it is there.
 */

/** What we read of a frame. */
export interface Frame {
  type?: string
  identifier?: string
  reason?: string
  reconnect?: boolean
  restored_ids?: string[]
  /** With --dev: which refusal, and what to do about it. */
  code?: string
  fix?: string
}

export interface CableStatus {
  /** Every message of the cable goes through here. Returns it, read; `undefined` when it is none of ours. */
  frame: (data: unknown) => Frame | undefined
  /** The connection is gone. */
  down: () => void
}

interface Refusal {
  code: string
  fix: string
}

const WORDS = { live: 'live', connecting: 'catching up', offline: 'offline', refused: 'refused' } as const
type State = keyof typeof WORDS

/** Every page refresh subscribes anew for a moment; that is not worth a blink. */
const BLINK_MS = 250
const OFFLINE_AFTER_MS = 4000

export function watchCable(): CableStatus {
  const confirmed = new Set<string>()
  const rejected = new Map<string, Refusal>()
  let up = false
  let downSince = performance.now()
  let ended: Refusal | undefined

  const state = (): State => {
    const streams = identifiers()
    // Both clients bring a new token by themselves; only if that does not help it is a refusal.
    if (ended?.code === 'token_expired' && awayMs() < OFFLINE_AFTER_MS) return 'connecting'
    if (ended || streams.some(stream => rejected.has(stream))) return 'refused'
    if (up) return streams.length > 0 && streams.every(stream => confirmed.has(stream)) ? 'live' : 'connecting'
    return navigator.onLine && awayMs() < OFFLINE_AFTER_MS ? 'connecting' : 'offline'
  }
  const awayMs = (): number => performance.now() - downSince
  const refusal = (): Refusal | undefined => ended ?? identifiers().flatMap(stream => rejected.get(stream) ?? [])[0]

  const show = (settled = false): void => {
    const pill = document.getElementById('cable-status')
    if (pill === null) return
    const now = state()
    if (now === 'connecting' && pill.dataset.state === 'live' && !settled) return blink(BLINK_MS)
    write(pill, now, now === 'refused' ? refusal() : undefined)
    if (now === 'connecting' && !up) patience(OFFLINE_AFTER_MS - awayMs())
  }
  const blink = createAlarm(() => show(true))
  const patience = createAlarm(() => show(true))

  // Turbo replaces elements, and a page may come without a pill: whatever changes, look again.
  new MutationObserver(() => show()).observe(document, { childList: true, subtree: true })
  addEventListener('online', () => show())
  addEventListener('offline', () => show())
  keepConnected()
  show()

  return {
    frame: data => {
      const frame = read(data)
      const { type, identifier = '' } = frame ?? {}
      if (type === 'welcome') {
        up = true
        ended = undefined
        for (const restored of frame?.restored_ids ?? []) confirmed.add(restored)
      } else if (type === 'confirm_subscription') {
        confirmed.add(identifier)
        rejected.delete(identifier)
      } else if (type === 'reject_subscription') {
        rejected.set(identifier, { code: frame?.code ?? '', fix: frame?.fix ?? '' })
      } else if (type === 'disconnect' && frame?.reconnect === false) {
        ended = { code: frame.code ?? frame.reason ?? '', fix: frame.fix ?? '' }
      } else return frame
      show()
      return frame
    },
    down: () => {
      if (up) downSince = performance.now()
      up = false
      confirmed.clear()
      show()
    },
  }
}

/** Rings once, so many milliseconds after the first of several wishes. */
function createAlarm(ring: () => void): (ms: number) => void {
  let isSet = false
  return ms => {
    if (isSet) return
    isSet = true
    setTimeout(() => {
      isSet = false
      ring()
    }, ms)
  }
}

function write(pill: HTMLElement, state: State, refusal: Refusal | undefined): void {
  const words = refusal?.code ? `${WORDS[state]}: ${refusal.code}` : WORDS[state]
  if (pill.dataset.state === state && pill.textContent === words) return
  pill.dataset.state = state
  pill.title = refusal?.fix ?? ''
  const span = document.createElement('span')
  span.textContent = words
  pill.replaceChildren(span)
}

function read(data: unknown): Frame | undefined {
  if (typeof data !== 'string') return undefined
  try {
    const frame: unknown = JSON.parse(data)
    return typeof frame === 'object' && frame !== null ? frame : undefined
  } catch {
    return undefined
  }
}

/** The element of either client: the one keeps a channel on it, the other a subscription. */
type Source = HTMLElement & { channel?: { identifier?: string }; subscription?: { identifier?: string } }

const identifiers = (): string[] =>
  [...document.querySelectorAll<Source>('turbo-cable-stream-source')].map(
    ({ channel, subscription }) => channel?.identifier ?? subscription?.identifier ?? '',
  )

/** A morph that patches a stream's element in place would take its `connected` away; it is the client's, not the page's. */
function keepConnected(): void {
  addEventListener('turbo:before-morph-attribute', event => {
    const { attributeName } = (event as CustomEvent<{ attributeName: string }>).detail
    const { localName } = event.target as Element
    if (localName === 'turbo-cable-stream-source' && attributeName === 'connected') event.preventDefault()
  })
}
