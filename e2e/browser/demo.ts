/**
 * The Board as a visitor uses it, in small verbs; the same for every language, since every language renders the same page.
 */
import { createHmac } from 'node:crypto'
import { type BrowserContext, test as base, expect, type Locator, type Page } from 'playwright/test'
import { BOARDS, type BoardName } from '../../backends/harness/languages.ts'

export const SECRET = 'canary-e2e-secret'
export type BoardLanguageName = BoardName
/** The path of each Board. */
export const LANGUAGES = Object.fromEntries(
  Object.keys(BOARDS).map(name => [name, name === 'typescript' ? '/' : `/${name}/`]),
) as Readonly<Record<BoardLanguageName, string>>
export const CLIENTS = ['anycable', 'rails'] as const
export type ClientName = (typeof CLIENTS)[number]

/** All Boards except extras that are not installed. */
export const languages: readonly BoardLanguageName[] = await usable()

export const hasRails = languages.includes('rails')

/** The real AnyCable serves the pages: `npm run e2e:swap`. */
export const onAnycable = process.env.HOTCABLE_E2E_CABLE === 'anycable'

let serial = 0
/** A text that no other card has. */
export const unique = (about: string): string => `${about} ${process.pid}-${++serial}`

export type Visit = (language: BoardLanguageName, client?: ClientName) => Promise<Page>

/** `visit` opens the Board in a new browser context, which closes when the test is over. */
export const test = base.extend<{ visit: Visit }>({
  visit: async ({ browser }, use) => {
    const contexts: BrowserContext[] = []
    await use(async (language, client = 'anycable') => {
      const context = await browser.newContext()
      contexts.push(context)
      const page = await context.newPage()
      await openBoard(page, language, client)
      return page
    })
    await Promise.all(contexts.map(context => context.close()))
  },
})

/** Opens the Board and waits until the page says that it is live. */
export async function openBoard(
  page: Page,
  language: BoardLanguageName,
  client: ClientName = 'anycable',
): Promise<void> {
  await page.goto(`${LANGUAGES[language]}?client=${client}`)
  await expect(page.locator('body')).toHaveAttribute('data-backend', language)
  await expect(status(page)).toHaveText('live')
}

export const status = (page: Page): Locator => page.locator('#cable-status')

export const card = (page: Page, body: string): Locator => page.locator('#cards > .card', { hasText: body })

/** The visitor looks at the page again: then either client connects at once, not after its delay. */
export const look = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))

export async function addCard(page: Page, body: string, author = 'Ada'): Promise<void> {
  await page.getByLabel('Name').fill(author)
  await page.getByLabel('Card', { exact: true }).fill(body)
  await page.getByRole('button', { name: 'Add' }).click()
}

/** Asks to delete the card, and says yes. */
export async function deleteCard(card: Locator): Promise<void> {
  await card.getByLabel('Delete this card').click()
  await card.getByRole('button', { name: 'Delete' }).click()
}

/** Asks to clear the Board, and says yes. */
export async function clearBoard(page: Page): Promise<void> {
  await page.getByText('Clear the board').click()
  await page.getByRole('button', { name: 'Delete all cards' }).click()
}

/** Runs `act`, and waits for the answer to its form: Turbo cancels an unanswered form when the next one is sent. */
export const answered = (page: Page, act: () => Promise<void>): Promise<void> => fires(page, 'turbo:submit-end', act)

/** Runs `act`, and waits for the event that follows in the page. */
export async function fires(page: Page, event: string, act: () => Promise<void>): Promise<void> {
  // (A handle is here once the page listens; a promise would be here only after the event.)
  const heard = await page.evaluateHandle(
    event => ({ event: new Promise<void>(then => addEventListener(event, () => then(), { once: true })) }),
    event,
  )
  await act()
  await heard.evaluate(({ event }) => event)
}

/** A mark in the page that a full load removes: a page that keeps it was not reloaded. */
export const mark = (page: Page): Promise<void> => page.evaluate(() => void Object.assign(window, { marked: true }))
export const isMarked = (page: Page): Promise<boolean> => page.evaluate(() => 'marked' in window)

/** As a helper's `stream_from` prints it. */
export function streamFrom(stream: string, position: string): string {
  const payload = Buffer.from(JSON.stringify(stream)).toString('base64')
  const digest = createHmac('sha256', SECRET).update(payload).digest('hex')
  const id = `cable-${digest.slice(0, 8)}-${position.replace('/', '-')}`
  return `<turbo-cable-stream-source id="${id}" data-position="${position}" channel="Turbo::StreamsChannel" signed-stream-name="${payload}--${digest}"></turbo-cable-stream-source>`
}

export function token(claims: object): string {
  const text = [{ alg: 'HS256' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

async function usable(): Promise<BoardLanguageName[]> {
  const names = Object.keys(BOARDS) as BoardLanguageName[]
  const found = await Promise.all(names.map(async name => !BOARDS[name].isExtra || (await BOARDS[name].isPresent())))
  return names.filter((_, at) => found[at])
}
