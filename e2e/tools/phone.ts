/**
 * `npm run phone`: opens the Board of a running demo (npm start) as a slow phone would, and prints what the page weighs and how long
 * it takes: "Slow 4G" of Chromium's developer tools, a CPU four times as slow, nothing in the cache. Medians of five visits.
 *
 *   npm run phone -- http://localhost:3000/python/
 *
 * Chromium slows down requests, but not WebSockets: the time to live lacks the two round trips of the handshake.
 */
import { chromium } from 'playwright'
import { chromiumLaunch } from '../../backends/harness/toolchain.ts'

const url = process.argv[2] ?? 'http://localhost:3000/'
const VISITS = 5
const SLOW_4G = { offline: false, latency: 562.5, downloadThroughput: 1_474_560 / 8, uploadThroughput: 675_000 / 8 }
const CPU_SLOWDOWN = 4

interface Visit {
  /** Bytes on the wire, by the kind of what they are. */
  readonly bytes: ReadonlyMap<string, number>
  readonly shownMs: number
  readonly liveMs: number
}

const browser = await chromium.launch(chromiumLaunch())
const visits: Visit[] = []
for (let count = 0; count < VISITS; count++) visits.push(await visit())
await browser.close()

const kinds = [...visits[0]!.bytes.keys()]
const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
for (const kind of kinds)
  console.log(`${kind.padEnd(12)} ${kib(median(visits.map(({ bytes }) => bytes.get(kind) ?? 0)))}`)
console.log(
  `${'all'.padEnd(12)} ${kib(median(visits.map(({ bytes }) => [...bytes.values()].reduce((a, b) => a + b))))}`,
)
console.log(`${'shown'.padEnd(12)} ${(median(visits.map(({ shownMs }) => shownMs)) / 1000).toFixed(1)} s`)
console.log(`${'live'.padEnd(12)} ${(median(visits.map(({ liveMs }) => liveMs)) / 1000).toFixed(1)} s`)

async function visit(): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true })
  const page = await context.newPage()
  const devtools = await context.newCDPSession(page)
  await devtools.send('Network.enable')
  await devtools.send('Network.emulateNetworkConditions', SLOW_4G)
  await devtools.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWDOWN })
  const kinds = new Map<string, string>()
  const bytes = new Map<string, number>()
  devtools.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type))
  devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId) ?? 'Other'
    bytes.set(kind, (bytes.get(kind) ?? 0) + encodedDataLength)
  })

  const from = performance.now()
  await page.goto(url, { waitUntil: 'commit' })
  await page.locator('#cable-status[data-state=live]').waitFor()
  const liveMs = performance.now() - from
  const shownMs = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]!.startTime)
  await context.close()
  return { bytes, shownMs, liveMs }
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!
}
