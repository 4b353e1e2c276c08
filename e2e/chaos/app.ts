/**
 * An app: a list per stream, and pages that it renders as a real app does, position first and data second. It commits an item,
 * and hands its broadcast to a way in.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { publication, turboStream } from '../../backends/typescript/hotcable.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import type { Rendered } from '../soak/page.ts'
import type { Nodes } from './nodes.ts'
import type { WayIn } from './ways-in.ts'

export interface Item {
  readonly id: string
  /** Whether the way in took its broadcast; `undefined`: it has not answered yet. */
  isAcknowledged: boolean | undefined
}

export class App {
  /** The truth: the list that a new page would show. */
  readonly lists: Readonly<Record<string, Item[]>>
  readonly #nodes: Nodes
  readonly #wayIn: WayIn

  constructor(streams: readonly string[], nodes: Nodes, wayIn: WayIn) {
    this.lists = Object.fromEntries(streams.map(stream => [stream, []]))
    this.#nodes = nodes
    this.#wayIn = wayIn
  }

  get items(): Item[] {
    return Object.values(this.lists).flat()
  }

  /** The time of a query, and of the way to the browser. */
  async render(streams: readonly string[]): Promise<Rendered> {
    const at = await this.#nodes.position(streams)
    await pause(Math.random() * 60)
    const lists = streams.map(stream => [stream, this.lists[stream]!.map(({ id }) => id)])
    await pause(Math.random() * 60)
    return { positions: Object.fromEntries(streams.map(stream => [stream, at])), lists: Object.fromEntries(lists) }
  }

  /** Adds about `rate` items a second to a stream's list until stopped, one after the other. */
  async write(stream: string, rate: number, random: Random, stop: AbortSignal): Promise<void> {
    const list = this.lists[stream]!
    let due = performance.now()
    while (!stop.aborted) {
      // (It does not make up for the time of a slow answer.)
      due = Math.max(due, performance.now() - 1000) + (-Math.log(1 - random.next()) * 1000) / rate
      await pause(Math.max(0, due - performance.now()))
      const item: Item = { id: `${stream}_${list.length}`, isAcknowledged: undefined }
      list.push(item)
      const html = turboStream('append', stream, `<li id="${item.id}">${'live HTML '.repeat(20)}</li>`)
      item.isAcknowledged = await this.#wayIn(item.id, publication(stream, html))
    }
  }
}
