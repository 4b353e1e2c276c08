/**
 * An open page without its looks: what Turbo and the source of a stream do, and nothing else.
 *
 *   visit     fetches; then the new page replaces the old one, by a morph. A source with the same id stays; each
 *             other one leaves, and the new one subscribes
 *   append    an item with the same id goes, then the new one comes last
 *   refresh   a visit, after 150 ms without another refresh, and unless one is running
 */
import { signStream } from '../../backends/typescript/hotcable.ts'
import { SECRET } from '../conformance/signing.ts'
import type { CableClient } from './clients.ts'

const REFRESH_DEBOUNCE_MS = 150
const LOGGED = 40

/** A page as the app rendered it: the position of each stream, and the items of its list after that. */
export interface Rendered {
  readonly positions: Readonly<Record<string, string>>
  readonly lists: Readonly<Record<string, readonly string[]>>
}

/** The counts of a page. */
export const newTally = () => ({
  /** Messages that arrived. */
  delivered: 0,
  /** Of those, items that the page showed already. */
  again: 0,
  /** Of those, messages that the same session, resumed or not, had already sent to the same subscription. */
  doubled: 0,
  /** New to the page, but older than an item that the same subscription had brought. */
  outOfOrder: 0,
  /** Connections that broke and came back, with no refresh before the next break. */
  replayed: 0,
  /** Connections that broke and came back, with a refresh. */
  refreshed: 0,
  refreshes: 0,
  fetches: 0,
  /** Subscriptions that the client had given up. */
  revived: 0,
})

export type Tally = ReturnType<typeof newTally>

interface Source {
  readonly leave: () => void
  connected: boolean
}

export class SoakPage {
  readonly tally = newTally()
  /** Ids of the shown items, in order. */
  readonly lists = new Map<string, Set<string>>()
  /** Ids of the items that came as messages. */
  readonly heard = new Set<string>()
  /** When the page was last fetched, connected or disconnected, by `performance.now()`. */
  changedAt = 0
  /** The last events, to explain a failure. */
  readonly log: string[] = []
  readonly #client: CableClient
  readonly #fetch: () => Promise<Rendered>
  readonly #events: { events?: string }
  readonly #sources = new Map<string, Source>()
  #visiting = false
  #refresh: NodeJS.Timeout | undefined
  /** The cable said that the page misses something, and that a refresh will come. */
  #torn = false
  #outage: 'none' | 'away' | 'replayed' | 'refreshed' = 'none'

  /** `asks`: its sources have a `data-events`. */
  constructor(client: CableClient, fetch: () => Promise<Rendered>, asks: boolean) {
    this.#client = client
    this.#fetch = fetch
    this.#events = asks ? { events: '' } : {}
  }

  /** Whether the page believes that only broadcasts will change it. */
  get live(): boolean {
    const connected = this.#sources.size > 0 && [...this.#sources.values()].every(({ connected }) => connected)
    return connected && !this.#visiting && this.#refresh === undefined && !this.#torn
  }

  /** Rejects if the app does not answer with a page. */
  async visit(): Promise<void> {
    this.#visiting = true
    this.tally.fetches++
    const { positions, lists } = await this.#fetch()
    this.#visiting = false
    this.#torn = false
    const sources = Object.entries(positions).map(([stream, position]) => ({
      id: `${stream} ${position}`,
      stream,
      position,
    }))
    for (const [id, { leave }] of this.#sources) {
      if (sources.some(source => source.id === id)) continue
      this.#sources.delete(id)
      leave()
    }
    for (const [stream, ids] of Object.entries(lists)) this.lists.set(stream, new Set(ids))
    for (const { id, stream, position } of sources)
      if (!this.#sources.has(id)) this.#sources.set(id, this.#enter(stream, position))
    this.#changed(`shows ${sources.map(({ id }) => id).join(', ')}`)
  }

  close(): void {
    clearTimeout(this.#refresh)
    this.#countOutage()
    this.#client.close()
  }

  /** A source comes into the page. */
  #enter(stream: string, position: string): Source {
    const { tally } = this
    let here = true
    /** The messages that its session has sent to it. */
    let sent = new Set<string>()
    let highest = -1
    const append = (id: string, number: number) => {
      const list = this.lists.get(stream)!
      tally.delivered++
      if (sent.has(id)) tally.doubled++
      sent.add(id)
      this.heard.add(id)
      if (list.delete(id)) tally.again++
      else if (number < highest) {
        tally.outOfOrder++
        this.#note(`${id} came after ${highest}`)
      }
      list.add(id)
      highest = Math.max(highest, number)
    }
    const params = { signed_stream_name: signStream(stream, { secret: SECRET }), position, ...this.#events }
    const source = { connected: false }
    const unsubscribe = this.#client.subscribe(params, {
      begun: () => {
        sent = new Set()
      },
      connected: () => {
        source.connected = true
        if (this.#outage === 'away') this.#outage = 'replayed'
        this.#changed(`connected ${stream} ${position}`)
      },
      disconnected: () => {
        source.connected = false
        this.#countOutage()
        this.#outage = 'away'
        this.#changed(`disconnected ${stream} ${position}`)
      },
      revived: () => {
        tally.revived++
        this.#note(`revived ${stream} ${position}`)
      },
      received: message => {
        if (!here || typeof message !== 'string') return
        const [, action] = /^<turbo-stream [^>]*?action="(\w+)"/.exec(message) ?? []
        const [id, number] = /(?<= id=")\w+?_(\d+)/.exec(message) ?? []
        if (action === 'append' && id !== undefined) append(id, Number(number))
        else if (action === 'refresh') this.#askForRefresh(stream)
        else if (action === 'hotcable' && message.includes('refresh="coming"')) this.#tear(stream)
      },
    })
    return Object.assign(source, {
      leave: () => {
        here = false
        unsubscribe()
      },
    })
  }

  #tear(stream: string): void {
    this.#torn = true
    this.#note(`lacks something of ${stream}`)
  }

  #askForRefresh(stream: string): void {
    this.tally.refreshes++
    if (this.#outage === 'replayed') this.#outage = 'refreshed'
    this.#note(`told to refresh by ${stream}`)
    clearTimeout(this.#refresh)
    this.#refresh = setTimeout(() => {
      this.#refresh = undefined
      if (!this.#visiting) void this.visit()
    }, REFRESH_DEBOUNCE_MS)
  }

  #countOutage(): void {
    if (this.#outage === 'replayed' || this.#outage === 'refreshed') this.tally[this.#outage]++
    this.#outage = 'none'
  }

  #changed(what: string): void {
    this.changedAt = performance.now()
    this.#note(what)
  }

  #note(what: string): void {
    this.log.push(`${(performance.now() / 1000).toFixed(2)} ${what}`)
    if (this.log.length > LOGGED) this.log.shift()
  }
}
