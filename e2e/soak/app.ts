/**
 * An app: a list per stream, committed first and broadcast afterwards; and pages that it renders like a real app,
 * position first and data second.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { position, publication, publish, turboStream } from '../../backends/typescript/hotcable.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import type { SoakCable } from './cable.ts'
import type { Rendered } from './page.ts'

export interface Item {
  readonly id: string
  /** When the cable took its broadcast, or the app gave up, by `performance.now()`. */
  toldAt: number
}

/** As the Board: after three tries it takes the cable to be down. */
const WAITS_MS = [0, 100, 300]

export class App {
  /** The truth: the list that a new page would show. */
  readonly lists: Readonly<Record<string, Item[]>>
  /** Broadcasts that the cable took, by stream. */
  readonly taken: Record<string, number> = {}
  /** Broadcasts that the app gave up, and those of them during which the cable was up all the time. */
  readonly lost = { down: 0, up: 0 }
  readonly #cable: SoakCable

  get broadcasts(): number {
    return Object.values(this.taken).reduce((all, taken) => all + taken, 0)
  }

  constructor(streams: readonly string[], cable: SoakCable) {
    this.lists = Object.fromEntries(streams.map(stream => [stream, []]))
    this.#cable = cable
  }

  /** The time of a query, and of the way to the browser. */
  async render(streams: readonly string[]): Promise<Rendered> {
    const { backend } = this.#cable
    const at = await position(streams, backend)
    await pause(Math.random() * 60)
    const lists = streams.map(stream => [stream, this.lists[stream]!.map(({ id }) => id)])
    await pause(Math.random() * 60)
    return { positions: Object.fromEntries(streams.map(stream => [stream, at])), lists: Object.fromEntries(lists) }
  }

  /** Adds about `rate` items a second to a stream's list until stopped; resolves when all are broadcast. */
  async write(stream: string, rate: number, random: Random, stop: AbortSignal): Promise<void> {
    let due = performance.now()
    while (!stop.aborted) {
      due += (-Math.log(1 - random.next()) * 1000) / rate
      await pause(Math.max(0, due - performance.now()))
      await this.add(stream)
    }
  }

  /** Commits, then broadcasts. */
  async add(stream: string): Promise<void> {
    const list = this.lists[stream]!
    const item = { id: `${stream}_${list.length}`, toldAt: Number.POSITIVE_INFINITY }
    list.push(item)
    await this.#tell(stream, turboStream('append', stream, `<li id="${item.id}">${'live HTML '.repeat(20)}</li>`))
    item.toldAt = performance.now()
  }

  async #tell(stream: string, html: string): Promise<void> {
    const { upSince } = this.#cable
    // (A node that was killed may have taken it, and another one then knows its id.)
    const one = publication(stream, html)
    for (const ms of WAITS_MS) {
      await pause(ms)
      try {
        await publish([one], this.#cable.backend)
        this.taken[stream] = (this.taken[stream] ?? 0) + 1
        return
      } catch {}
    }
    this.lost[upSince !== undefined && upSince === this.#cable.upSince ? 'up' : 'down']++
  }
}
