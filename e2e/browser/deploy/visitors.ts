/** Pages of a deployment, and a client that keeps writing to it. */
import { setTimeout as pause } from 'node:timers/promises'
import { test as base, expect, type Page } from 'playwright/test'
import { type ClientName, LANGUAGES, status, unique } from '../demo.ts'
import { cards, record, recorded } from '../recorder.ts'
import { startCompose } from './compose.ts'
import type { Deployment } from './deployment.ts'
import { startProcesses } from './processes.ts'

export interface Visitor {
  readonly page: Page
  /** How often the page was fetched so far, by visits and refreshes. */
  readonly fetches: () => number
  /** How many of its WebSockets have closed. */
  readonly closed: () => number
}

export interface Writer {
  /** Resolves with the cards that the app acknowledged, once it has acknowledged so many in all. */
  readonly acknowledged: (count: number) => Promise<readonly string[]>
  /** Resolves with all of them, and writes no further ones. */
  readonly stop: () => Promise<readonly string[]>
}

interface Fixtures {
  visit: (language: Deployment['languages'][number], client?: ClientName) => Promise<Visitor>
  /** Adds a card; resolves once the app acknowledged it. */
  add: (body: string, language?: Deployment['languages'][number]) => Promise<void>
  /** Adds a card each 250 ms, also while the app is away. */
  write: () => Writer
  /** The cards of a page that is rendered now. */
  render: () => Promise<string>
}

interface WorkerFixtures {
  isShared: boolean
  deployment: Deployment
}

const BETWEEN_MS = 250

const start = process.env.HOTCABLE_E2E_DEPLOY === 'compose' ? startCompose : startProcesses

export const test = base.extend<Fixtures, WorkerFixtures>({
  isShared: [false, { option: true, scope: 'worker' }],
  deployment: [
    async ({ isShared }, use) => {
      const deployment = await start({ isShared })
      await use(deployment)
      await deployment.close()
    },
    // (docker-compose builds the images.)
    { scope: 'worker', timeout: 900_000 },
  ],
  visit: async ({ browser, deployment }, use) => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    await use(async (language, client = 'anycable') => {
      const page = await context.newPage()
      await record(page)
      let [fetches, closed] = [0, 0]
      page.on('request', request => {
        const isPage = new URL(request.url()).pathname === LANGUAGES[language] && request.method() === 'GET'
        if (isPage && request.headers()['x-anycable-operation'] === undefined) fetches++
      })
      page.on('websocket', socket => socket.on('close', () => closed++))
      await page.goto(`${deployment.origin}${LANGUAGES[language]}?client=${client}`)
      await expect(status(page)).toHaveText('live')
      return { page, fetches: () => fetches, closed: () => closed }
    })
    await context.close()
  },
  add: async ({ request: _, playwright, deployment }, use) => {
    const request = await playwright.request.newContext({ ignoreHTTPSErrors: true })
    await use(async (body, language = 'typescript') => {
      const url = `${deployment.origin}${LANGUAGES[language]}cards`
      const answer = await request.post(url, { form: { body, author: 'Ada' }, maxRedirects: 0, timeout: 10_000 })
      if (answer.status() !== 303) throw new Error(`the app answered ${answer.status()}`)
    })
    await request.dispose()
  },
  write: async ({ add }, use) => {
    const writers: Writer[] = []
    await use(() => {
      const acknowledged: string[] = []
      let isStopped = false
      const done = (async () => {
        while (!isStopped) {
          const body = unique('written meanwhile')
          await add(body).then(
            () => acknowledged.push(body),
            () => {},
          )
          await pause(BETWEEN_MS)
        }
      })()
      const writer: Writer = {
        async acknowledged(count) {
          await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count)
          return acknowledged
        },
        async stop() {
          isStopped = true
          await done
          return acknowledged
        },
      }
      writers.push(writer)
      return writer
    })
    for (const writer of writers) await writer.stop()
  },
  render: async ({ playwright, deployment }, use) => {
    const request = await playwright.request.newContext({ ignoreHTTPSErrors: true })
    await use(async () => await (await request.get(deployment.origin)).text())
    await request.dispose()
  },
})

export { expect }

/** The page shows what a page that is rendered now shows, has all of these cards, and never showed one twice. */
export async function expectTrue(
  { page }: Visitor,
  render: () => Promise<string>,
  bodies: readonly string[],
  withinMs: number,
): Promise<void> {
  const fresh = await cards(page, await render())
  await expect.poll(() => cards(page), { timeout: withinMs, intervals: [50, 100, 250] }).toEqual(fresh)
  const shown = (await page.locator('#cards > .card').allInnerTexts()).join('\n')
  for (const body of bodies) expect(shown).toContain(body)
  expect((await recorded(page)).doubled).toEqual([])
}
