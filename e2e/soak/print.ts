/** The report of a soak, in words and figures. */
import type { App } from './app.ts'
import type { ClientKind } from './clients.ts'
import type { Fault } from './faults.ts'
import { type FleetPage, isTrue, missing, sum } from './fleet.ts'
import type { Tally } from './page.ts'

export interface SoakReport {
  readonly seed: number
  readonly members: readonly FleetPage[]
  readonly app: App
  readonly faults: ReadonlyMap<Fault, number>
  /** Broadcasts. */
  readonly wanted: number
  /** Items that a page lacked while it took itself for live. */
  readonly late: ReadonlySet<string>
  readonly seconds: { readonly ran: number; readonly settled: number }
}

/** How many bad pages the report describes in full. */
const SHOWN = 3

/** Prints the report; returns whether all was well. */
export function print({ seed, members, app, faults, wanted, late, seconds }: SoakReport): boolean {
  const bad = members.map(member => ({ ...member, lacks: missing(app, member) })).filter(each => !isTrue(app, each))
  for (const { n, kind, page, lacks } of bad.slice(0, SHOWN)) {
    const which = lacks.length > 0 ? `lacks ${span(lacks.map(({ id }) => id))}` : 'shows it in another order'
    console.log(`page ${n} (${kind}) ${which}\n  ${page.log.join('\n  ')}`)
  }
  for (const one of [...late].slice(0, SHOWN)) console.log(`${one}, and took itself for live`)

  const lost = bad.reduce((all, { lacks }) => all + lacks.length, 0)
  const disordered = bad.filter(({ lacks }) => lacks.length === 0).length
  const [anycable, rails] = (['anycable', 'rails'] as ClientKind[]).map(kind =>
    sum(members.filter(each => each.kind === kind)),
  )
  const both = sum(members)
  const row = (name: string, key: keyof Tally) =>
    line(name, `${both[key]}`.padEnd(10), `anycable ${anycable![key]}`.padEnd(20), `rails ${rails![key]}`)
  const expected = members.flatMap(({ streams }) => streams).reduce((all, at) => all + (app.taken[at] ?? 0), 0)

  line('seed', seed)
  line('took', `${seconds.ran.toFixed(0)} s, and ${seconds.settled.toFixed(1)} s until all was settled`)
  line('faults', [...faults].map(([fault, count]) => `${fault} ${count}`).join(', '))
  line(
    'broadcasts',
    app.broadcasts,
    `(wanted: ${wanted};`,
    `given up while the cable was down: ${app.lost.down}, up: ${app.lost.up})`,
  )
  line('expected', expected, `applications, on ${members.length} pages`)
  row('arrived', 'delivered')
  row('applied again', 'again')
  row('outages replayed', 'replayed')
  row('outages refreshed', 'refreshed')
  row('refreshes', 'refreshes')
  row('pages fetched', 'fetches')
  row('revived', 'revived')
  row('doubled', 'doubled')
  row('out of order', 'outOfOrder')
  line('lists in disorder', disordered)
  line('lost unnoticed', late.size)
  line('lost', lost)
  return lost + disordered + late.size + both.outOfOrder + both.doubled + app.lost.up === 0 && app.broadcasts >= wanted
}

const line = (name: string, ...rest: unknown[]) => console.log(name.padEnd(20), ...rest)

const span = (ids: readonly string[]): string =>
  ids.length > 4 ? `${ids[0]} … ${ids.at(-1)} (${ids.length})` : ids.join(', ')
