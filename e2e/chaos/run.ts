/** Plays a row: pages with both stock clients, an app that writes, a fault; then it counts. */
import { setTimeout as pause } from 'node:timers/promises'
import { withEnds } from '../../testing/ends.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { Random } from '../conformance/fuzz/random.ts'
import { comesAbout, type FleetPage, isTrue, missing, openPage, sum } from '../soak/fleet.ts'
import { App, type Item } from './app.ts'
import type { Row } from './rows.ts'

export interface Result {
  /** Broadcasts that the way in took, and those that it did not take. */
  readonly acknowledged: number
  readonly refused: number
  /** Acknowledged broadcasts that a page got by a refresh, instead of as a message. */
  readonly refreshed: number
  /** Pages that were not true a minute after the fault. */
  readonly lost: number
  readonly doubled: number
  readonly outOfOrder: number
  /** From the end of the fault until all pages showed what the app had then; `undefined`: never. */
  readonly seconds: number | undefined
  /** What is wrong, in words, if anything is. */
  readonly details: readonly string[]
}

interface Member extends FleetPage {
  readonly network: TcpProxy
}

const PAGES = 40
const STREAMS = Array.from({ length: 8 }, (_, n) => `list${n}`)
const STREAMS_OF_A_PAGE = 2
/** Items a second of a stream. */
const RATE = 5
/** The connection of a page breaks this often, until the fault is over: its next one is to another node. */
const DROP_MS = 500
const TRUE_MS = 60_000
/** The control cannot heal. */
const CONTROL_MS = 20_000
/** The way of the last items to the pages. */
const LAST_MS = 5_000
const SHOWN = 3

/** `calmMs`: how long the app writes before the fault, and after it. */
export function run({ play, mustLose }: Row, seed: number, calmMs: number): Promise<Result> {
  return withEnds(async stage => {
    const { nodes, wayIn, fault } = await play(stage)
    const app = new App(STREAMS, nodes, wayIn)
    const open = async (n: number): Promise<Member> => {
      let turn = n
      const network = await createProxy(() => nodes.at(turn++).port)
      const first = (n >> 1) % STREAMS.length
      const own = Array.from({ length: STREAMS_OF_A_PAGE }, (_, at) => STREAMS[(first + 3 * at) % STREAMS.length]!)
      return Object.assign(await openPage(n, network.port, own, of => app.render(of)), { network })
    }
    const members = await Promise.all(Array.from({ length: PAGES }, (_, n) => open(n)))
    stage.after(async () => {
      for (const { page } of members) page.close()
      await Promise.all(members.map(({ network }) => network.close()))
    })
    if (!(await comesAbout(() => members.every(({ page }) => page.live), TRUE_MS)))
      throw new Error('the pages never became live')

    const written = new AbortController()
    const random = (salt: number) => new Random(Math.imul(seed, 0x9e3779b1) + salt)
    const writing = STREAMS.map((stream, n) => app.write(stream, RATE, random(n), written.signal))
    await pause(calmMs)
    const isOver = new AbortController()
    const dropping = dropSome(members, random(100), isOver.signal)
    await fault()
    isOver.abort()
    await dropping

    const overAt = performance.now()
    const had = new Set(app.items)
    const left = () => (mustLose ? CONTROL_MS : TRUE_MS) - (performance.now() - overAt)
    const shown = comesAbout(() => !members.some(each => lacks(app, each, had)), left())
    const seconds = shown.then(isShown => (isShown ? (performance.now() - overAt) / 1000 : undefined))
    await seconds
    await pause(calmMs)
    written.abort()
    await Promise.all(writing)
    await comesAbout(() => members.every(each => isTrue(app, each)), Math.max(LAST_MS, left()))

    const untrue = members.filter(each => !isTrue(app, each))
    const { doubled, outOfOrder } = sum(members)
    const acknowledged = app.items.filter(({ isAcknowledged }) => isAcknowledged)
    const refreshed = acknowledged.filter(({ id }) =>
      members.some(({ page }) => isShown(page, id) && !page.heard.has(id)),
    )
    const wrong = untrue.slice(0, SHOWN).map(each => describe(app, each))
    return {
      ...{ acknowledged: acknowledged.length, refused: app.items.length - acknowledged.length },
      ...{ refreshed: refreshed.length, lost: untrue.length, doubled, outOfOrder, seconds: await seconds },
      details: mustLose ? [] : wrong,
    }
  })
}

/** Whether a page does not show one of these items. */
const lacks = (app: App, member: Member, items: ReadonlySet<Item>): boolean =>
  missing(app, member).some(item => items.has(item))

const isShown = ({ lists }: Member['page'], id: string): boolean => [...lists.values()].some(list => list.has(id))

function describe(app: App, member: Member): string {
  const { n, kind, page } = member
  const items = missing(app, member).map(({ id, isAcknowledged }) => (isAcknowledged ? id : `${id} (refused)`))
  const what = items.length > 0 ? `lacks ${items.slice(0, 5).join(', ')} (${items.length})` : 'shows another order'
  return `page ${n} (${kind}) ${what}; ${page.live ? 'takes itself for live' : 'knows it'}\n  ${page.log.join('\n  ')}`
}

async function dropSome(members: readonly Member[], random: Random, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    random.pick(members).network.drop()
    await pause(DROP_MS, undefined, { signal: stop }).catch(() => {})
  }
}
