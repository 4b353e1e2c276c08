/** Many pages, half of them with each client; and checks of all of them. */
import { setTimeout as pause } from 'node:timers/promises'
import { issueToken } from '../../backends/typescript/hotcable.ts'
import { SECRET } from '../conformance/signing.ts'
import { type ClientKind, connect, KINDS } from './clients.ts'
import { newTally, type Rendered, SoakPage, type Tally } from './page.ts'

export interface FleetPage {
  readonly n: number
  readonly kind: ClientKind
  /** Whether its sources have a `data-events`. */
  readonly asks: boolean
  readonly streams: readonly string[]
  readonly page: SoakPage
}

/** Opens a page; resolves when it is fetched, not when it is live. */
export async function openPage(
  n: number,
  port: number,
  streams: readonly string[],
  fetch: (streams: readonly string[]) => Promise<Rendered>,
): Promise<FleetPage> {
  const [kind, asks] = [KINDS[n % 2]!, n % 4 < 2]
  const client = connect(kind, `ws://127.0.0.1:${port}/cable`, issueToken({ page: n }, { secret: SECRET }))
  const page = new SoakPage(client, () => fetch(streams), asks)
  await page.visit()
  return { n, kind, asks, streams, page }
}

/** The truth: the items of each stream. */
interface Truth<Item> {
  readonly lists: Readonly<Record<string, readonly Item[]>>
}

interface Identified {
  readonly id: string
}

/** The items that the app has and a page does not show. */
export const missing = <Item extends Identified>(app: Truth<Item>, { page, streams }: FleetPage): Item[] =>
  streams.flatMap(stream => app.lists[stream]!.filter(({ id }) => !page.lists.get(stream)!.has(id)))

/** Whether a page shows what the app has, in its order. */
export const isTrue = (app: Truth<Identified>, { page, streams }: FleetPage): boolean =>
  streams.every(stream => {
    const [shown, items] = [[...page.lists.get(stream)!], app.lists[stream]!]
    return shown.length === items.length && shown.every((id, at) => id === items[at]!.id)
  })

export function sum(members: readonly FleetPage[]): Tally {
  const total = newTally()
  for (const { page } of members) for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += page.tally[key]
  return total
}

/** Returns whether it became true within `ms`. */
export async function comesAbout(what: () => boolean, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while (performance.now() < deadline) {
    if (what()) return true
    await pause(50)
  }
  return what()
}
