/** One visitor with one open page, a network that a test can break, and what must be true of the page afterwards. */
import { type Browser, test as base, expect, type Page } from 'playwright/test'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { type BoardLanguageName, CLIENTS, type ClientName, card, LANGUAGES, status, unique } from './demo.ts'
import { cards, record, recorded } from './recorder.ts'
import { type Stack, startStack } from './stack.ts'

export interface Person {
  client: ClientName
  language: BoardLanguageName
}

/** Each client with a Board of either language. */
export const PEOPLE: readonly Person[] = CLIENTS.flatMap(client => [
  { client, language: 'typescript' },
  { client, language: 'python' },
])
/** Each client with one Board, for slow tests. */
export const FEW: readonly Person[] = [
  { client: 'anycable', language: 'typescript' },
  { client: 'rails', language: 'python' },
]
/** For titles. */
export const label = ({ client, language }: Person): string => `(${client}, ${language})`
/** The path of a page's connections to its cable. */
export const SOCKET = /^\/cable/

export interface Tab extends Person {
  page: Page
  network: TcpProxy
  /** Goes to the Board; resolves when the page has loaded. */
  open: (language?: BoardLanguageName) => Promise<void>
  /** Goes to the Board; resolves when it is live. */
  visit: (language?: BoardLanguageName) => Promise<void>
  /** How often the page was fetched so far, by visits and refreshes. */
  fetches: () => number
}

interface Fixtures {
  tab: (person: Person) => Promise<Tab>
}

interface WorkerFixtures {
  everything: Stack
  stack: Stack
}

/** `stack`: an empty Board, and a cable with its usual settings. `tab`: a new browser context with no page yet. */
export const test = base.extend<Fixtures & { stack: Stack }, Omit<WorkerFixtures, 'stack'>>({
  everything: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from this pattern
    async ({}, use) => {
      const stack = await startStack()
      await use(stack)
      await stack.close()
    },
    { scope: 'worker' },
  ],
  stack: async ({ everything }, use) => {
    await everything.cable.start()
    await everything.python.start()
    await everything.clear()
    await use(everything)
  },
  tab: async ({ browser, stack }, use) => {
    const clean: (() => Promise<void>)[] = []
    await use(async person => {
      const { tab, close } = await openTab(browser, stack, person)
      clean.push(close)
      return tab
    })
    for (const close of clean) await close()
  },
})

export async function openTab(
  browser: Browser,
  stack: Stack,
  person: Person,
): Promise<{ tab: Tab; close: () => Promise<void> }> {
  const network = await createProxy(stack.port)
  // The browser counts a page that a test serves as public, and lets a public page reach localhost only with permission.
  const context = await browser.newContext({ permissions: ['local-network-access'] })
  const page = await context.newPage()
  await record(page)
  let fetches = 0
  page.on('request', request => {
    const isPage = Object.values(LANGUAGES).includes(new URL(request.url()).pathname as '/')
    if (isPage && request.headers()['x-anycable-operation'] === undefined) fetches++
  })
  const { client, language } = person
  // On a busy machine an app may wait in vain for its position, and the cable then refreshes the page.
  const open = async (to = language, attempts = 3): Promise<void> => {
    const before = fetches
    const answer = await page.goto(`${network.origin}${LANGUAGES[to]}?client=${client}`)
    if (attempts === 1 || !/ data-position="-"/.test((await answer?.text().catch(() => '')) ?? '')) return
    fetches = before
    await open(to, attempts - 1)
  }
  const tab: Tab = {
    client,
    language,
    page,
    network,
    open: to => open(to),
    visit: async to => {
      await open(to)
      await expect(status(page)).toHaveText('live')
    },
    fetches: () => fetches,
  }
  return {
    tab,
    close: async () => {
      await context.close()
      await network.close()
    },
  }
}

/** Changes the HTML of each page and refresh of a Board; with `only`, not that of refreshes. */
export async function rewrite(page: Page, change: (html: string) => string, only?: 'document'): Promise<void> {
  await page.route(/\/(\?.*)?$/, async route => {
    if (only !== undefined && route.request().resourceType() !== only) return route.continue()
    const response = await route.fetch()
    await route.fulfill({ response, body: change(await response.text()) })
  })
}

/** Adds `count` cards, one after the other; returns their bodies. */
export async function addCards(stack: Stack, { language }: Tab, count: number, about: string): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, at) => unique(`${about} ${at + 1}.`))
  for (const body of bodies) await stack.add(language, body)
  return bodies
}

/** The invariant: the page shows what a fresh page shows, shows the next card too, and never showed a card twice. */
export async function expectTrue(stack: Stack, { page, language }: Tab, { timeout = 20_000 } = {}): Promise<void> {
  const fresh = async () => cards(page, await stack.render(language))
  await expect.poll(() => cards(page), { timeout, intervals: [50, 100, 250] }).toEqual(await fresh())
  await expect(status(page)).toHaveText('live')
  const last = unique('and goes on')
  await stack.add(language, last)
  await expect(card(page, last)).toHaveCount(1)
  const shown = await fresh()
  expect(await cards(page)).toEqual(shown)
  await expect(page.locator('#card-count')).toHaveText(shown.length === 1 ? '1 card' : `${shown.length} cards`)
  expect((await recorded(page)).doubled).toEqual([])
}
