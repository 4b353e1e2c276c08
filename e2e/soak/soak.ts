/**
 * The soak: many pages, steady broadcasts, random faults. In the end every page shows what the app has; and at no time does a
 * page that takes itself for live lack anything.
 *
 *   writer ──▶ app ──▶ cable ──▶ network ──▶ page        the cable is killed, each page's network breaks
 *               ╰──────── refetch ─────────────╯
 */

import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { Random } from '../conformance/fuzz/random.ts'
import { App } from './app.ts'
import { createSoakCable } from './cable.ts'
import { type Chaos, type Fault, killings, trouble } from './faults.ts'
import { comesAbout, type FleetPage, isTrue, missing, openPage } from './fleet.ts'
import { print } from './print.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly pages: number
  readonly seed: number
  /** The control: a cable that keeps no history and heals no page. */
  readonly withoutHistory: boolean
}

export interface Soaked extends FleetPage {
  readonly network: TcpProxy
  /** When its network last broke: `Infinity` while it is broken. */
  troubledAt: number
}

const STREAMS = 40
const STREAMS_OF_A_PAGE = 4
/** Broadcasts a second, of all streams. */
const RATE = 130
/** The minimum of a run. A machine with other work may take three times as long. */
const WANTED_PER_MINUTE = 20_000 / 3
const PATIENCE = 3
/** How long pages may take to become true once everything is well again. */
const SETTLE_MS = 60_000
/** A page without a fault for this long shows all broadcasts of that age, or knows that it does not. */
const QUIET_MS = 5_000
const LATE_MS = 8_000

/** Whether all was well. */
export async function soak({ minutes, pages, seed, withoutHistory }: SoakOptions): Promise<boolean> {
  const settings = withoutHistory ? ['--broker=none', '--heal=off'] : []
  const cable = await createSoakCable()
  await cable.start(...settings)
  const streams = Array.from({ length: STREAMS }, (_, n) => `list${n}`)
  const app = new App(streams, cable)
  const open = async (n: number): Promise<Soaked> => {
    const network = await createProxy(cable.port)
    // From the busiest stream to the calmest.
    const own = streams.filter(
      (_, at) => at % (STREAMS / STREAMS_OF_A_PAGE) === (n >> 1) % (STREAMS / STREAMS_OF_A_PAGE),
    )
    const member = await openPage(n, network.port, own, of => app.render(of))
    return Object.assign(member, { network, troubledAt: 0 })
  }
  const members = await Promise.all(Array.from({ length: pages }, (_, n) => open(n)))
  await comesAbout(() => members.every(({ page }) => page.live), 30_000)

  const began = performance.now()
  const calm = new AbortController()
  const faults = new Map<Fault, number>()
  const random = (salt: number) => new Random(Math.imul(seed, 0x9e3779b1) + salt)
  const chaos = (salt: number, member?: Soaked): Chaos => ({
    random: random(salt),
    stop: calm.signal,
    begins(fault) {
      faults.set(fault, (faults.get(fault) ?? 0) + 1)
      if (member) member.troubledAt = Number.POSITIVE_INFINITY
    },
    ends() {
      if (member) member.troubledAt = performance.now()
    },
  })
  // Some streams are busy and soon outgrow the cable's history; most do not.
  const weights = streams.map((_, n) => 1 / (n + 2))
  const unit = RATE / weights.reduce((all, weight) => all + weight)
  const work = Promise.all([
    ...streams.map((stream, n) => app.write(stream, weights[n]! * unit, random(1_000_000 + n), calm.signal)),
    ...members.map(member => trouble(member.network, chaos(member.n, member))),
    killings(cable, settings, chaos(2_000_000)),
  ])
  const late = new Set<string>()
  const watch = setInterval(() => {
    const now = performance.now()
    for (const member of members) {
      const { asks, page, troubledAt, n } = member
      const since = Math.max(page.changedAt, troubledAt, cable.upSince ?? Number.POSITIVE_INFINITY)
      if (!asks || !page.live || now - since < QUIET_MS) continue
      for (const { id, toldAt } of missing(app, member)) if (now - toldAt > LATE_MS) late.add(`page ${n} lacks ${id}`)
    }
  }, 1_000)

  const wanted = Math.ceil(minutes * WANTED_PER_MINUTE)
  const isEnough = () => performance.now() - began >= minutes * 60_000 && app.broadcasts >= wanted
  await comesAbout(isEnough, PATIENCE * minutes * 60_000)
  calm.abort()
  await work
  const ended = performance.now()
  await comesAbout(() => members.every(each => each.page.live && isTrue(app, each)), SETTLE_MS)
  clearInterval(watch)

  const seconds = { ran: (ended - began) / 1000, settled: (performance.now() - ended) / 1000 }
  for (const { page } of members) page.close()
  await Promise.all(members.map(({ network }) => network.close()))
  await cable.kill()
  return print({ seed, members, app, faults, wanted, late, seconds })
}
