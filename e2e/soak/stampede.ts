/**
 * A restart of the cable is a gap for every page at once. Their refreshes must reach the app one after the other, none before
 * its time, and none while the app does not answer.
 *
 * The app counts them: a real HTTP server that renders the simulated pages.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { App } from './app.ts'
import { createSoakCable } from './cable.ts'
import { comesAbout, isTrue, openPage } from './fleet.ts'
import type { Rendered } from './page.ts'

const STREAMS = 20
/** The cable's defaults. */
const HEAL_RATE = 50
const HEAL_DELAY_MS = 5_000
/** A tenth of a second's refreshes may come at once. */
const AT_ONCE = HEAL_RATE / 10
const DOWN_MS = 8_000
const PATIENCE_MS = 120_000

/** Whether all was well. */
export async function stampede(pages: number): Promise<boolean> {
  const cable = await createSoakCable()
  await cable.start()
  const streams = Array.from({ length: STREAMS }, (_, n) => `list${n}`)
  const app = new App(streams, cable)
  const site = await serve(app)
  const fetchPage = async (of: readonly string[]) => {
    const answer = await fetch(`${site.url}/?${new URLSearchParams({ streams: of.join() })}`)
    // Turbo would show it, and the page would be gone.
    if (!answer.ok) throw new Error(`a page was replaced by a ${answer.status}`)
    return (await answer.json()) as Rendered
  }
  const tell = () => Promise.all(streams.map(stream => app.add(stream)))
  const members = await Promise.all(
    Array.from({ length: pages }, (_, n) => openPage(n, cable.port, [streams[n % STREAMS]!], fetchPage)),
  )
  const areTrue = () => members.every(each => each.page.live && isTrue(app, each))
  await tell()
  if (!(await comesAbout(areTrue, PATIENCE_MS))) throw new Error('the pages never became live')

  /** Kills the cable and starts it again; it sends pages nothing of what was added meanwhile. The app may be down for a while after that. */
  const restart = async (about: string, downMs: number, ...settings: string[]): Promise<boolean> => {
    const stalls = monitorEventLoopDelay({ resolution: 10 })
    stalls.enable()
    await cable.kill()
    await tell()
    site.reset(downMs > 0)
    const started = performance.now()
    await cable.start(...settings)
    if (downMs > 0) {
      await pause(HEAL_DELAY_MS + downMs)
      site.up()
    }
    const upAt = performance.now()
    const healed = await comesAbout(areTrue, PATIENCE_MS)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    await tell()
    const goesOn = await comesAbout(areTrue, 10_000)

    const { fetches, probes } = site
    const first = Math.min(...fetches) - started
    const peak = busiestSecond(fetches)
    // While this process stalled, refreshes piled up and then came at once.
    const stallMs = stalls.max / 1e6
    const allowed = HEAL_RATE + AT_ONCE + (stallMs / 1000) * HEAL_RATE
    const early = fetches.filter(at => at - started < HEAL_DELAY_MS || (downMs > 0 && at < upAt)).length
    console.log(`${about}: ${pages} pages, ${fetches.length} refetches and ${probes} probes of the app`)
    console.log(`  first refetch after ${(first / 1000).toFixed(2)} s, too early ${early}`)
    console.log(
      `  busiest second ${peak} refetches (allowed: ${allowed.toFixed(0)}; longest stall here ${stallMs.toFixed(0)} ms)`,
    )
    console.log(`  busiest 100 ms ${busiest(fetches, 100)} refetches`)
    console.log(healed && goesOn ? `  all true after ${seconds} s` : '  not all pages became true')
    return healed && goesOn && early === 0 && peak <= allowed && fetches.length >= pages && (downMs === 0 || probes > 0)
  }
  const paced = await restart('the cable is killed', 0)
  const waited = await restart('the app is down as well', DOWN_MS, `--heal_check=${site.url}/health`)
  for (const { page } of members) page.close()
  await cable.kill()
  site.close()
  return paced && waited
}

/** The app as a browser sees it: `/` renders a page; all paths are 502 while it is down. */
async function serve(app: App) {
  let isDown = false
  let fetches: number[] = []
  let probes = 0
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://app')
    if (pathname === '/health') probes++
    else fetches.push(performance.now())
    if (isDown) return void response.writeHead(502).end('Bad Gateway')
    const page =
      pathname === '/health' ? 'ok' : JSON.stringify(await app.render(searchParams.get('streams')!.split(',')))
    response.end(page)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The times of the requests for pages. */
    get fetches(): readonly number[] {
      return fetches
    },
    get probes() {
      return probes
    },
    /** Counts from now on. */
    reset(down: boolean) {
      fetches = []
      probes = 0
      isDown = down
    },
    up() {
      isDown = false
    },
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const busiestSecond = (times: readonly number[]): number => busiest(times, 1000)

/** The largest count within so many milliseconds, wherever they begin. */
const busiest = (times: readonly number[], ms: number): number =>
  Math.max(0, ...times.map(from => times.filter(at => at >= from && at < from + ms).length))
