/** Firefox, driven by puppeteer-core over WebDriver BiDi: what the tests use of it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { FIREFOX } from '../../backends/harness/toolchain.ts'
import type { ClientName } from '../browser/demo.ts'

/** `launch` of puppeteer-core, whose types are not here: see FIREFOX. */
interface Puppeteer {
  launch: (options: object) => Promise<Firefox>
}

export interface Firefox {
  /** A new browser context has no cookies of another. */
  createBrowserContext: () => Promise<{ newPage: () => Promise<FirefoxPage>; close: () => Promise<void> }>
  version: () => Promise<string>
  close: () => Promise<void>
}

export interface FirefoxPage {
  goto: (url: string) => Promise<unknown>
  goBack: () => Promise<unknown>
  evaluate: <T, Args extends unknown[]>(run: (...args: Args) => T, ...args: Args) => Promise<Awaited<T>>
  evaluateOnNewDocument: (run: () => void) => Promise<unknown>
  click: (selector: string) => Promise<void>
  close: () => Promise<void>
}

/** No page takes this long, even on the slowest machine. */
const WAIT_MS = 60_000

export async function launchFirefox(): Promise<Firefox> {
  const { program, driver } = FIREFOX.find()!
  const { default: puppeteer }: { default: Puppeteer } = await import(entryOf(driver))
  return await puppeteer.launch({ browser: 'firefox', executablePath: program, headless: true })
}

/** The URL of the module that an `import` of the package loads. */
function entryOf(folder: string): string {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return pathToFileURL(join(folder, exports['.'].import)).href
}

/** Resolves once `run` returns a true value in the page; rejects with `about` if it never does. */
export async function until<Args extends unknown[]>(
  page: FirefoxPage,
  about: string,
  run: (...args: Args) => unknown,
  ...args: Args
): Promise<void> {
  // (From here, because the page's Content-Security-Policy forbids the functions that `waitForFunction` makes there.)
  for (const deadline = performance.now() + WAIT_MS; performance.now() < deadline; await pause(50)) {
    // While a page loads it evaluates nothing.
    if (await page.evaluate(run, ...args).catch(() => false)) return
  }
  throw new Error(`Firefox does not show it: ${about}`)
}

export const untilLive = (page: FirefoxPage): Promise<void> =>
  until(page, 'a live page', () => document.querySelector('#cable-status')?.textContent === 'live')

/** Resolves once the page shows a card with this text, as often as `times`. */
export const untilCard = (page: FirefoxPage, body: string, times = 1): Promise<void> =>
  until(
    page,
    `${body}, ${times} times`,
    (body, times) =>
      [...document.querySelectorAll('#cards .body')].filter(({ textContent }) => textContent === body).length === times,
    body,
    times,
  )

export async function openBoard(page: FirefoxPage, url: string, client: ClientName = 'anycable'): Promise<void> {
  await page.goto(`${url}?client=${client}`)
  await untilLive(page)
}

/** At once, because Firefox takes a while for each key. */
export const fill = (page: FirefoxPage, selector: string, text: string): Promise<void> =>
  page.evaluate(
    (selector: string, text: string) => {
      document.querySelector<HTMLInputElement>(selector)!.value = text
    },
    selector,
    text,
  )

/** Resolves once the page shows the cards of this HTML, each once and in this order. */
export const untilCards = (page: FirefoxPage, html: string): Promise<void> =>
  until(
    page,
    'the cards of a fresh page',
    html => {
      const cardsOf = (shown: Document) =>
        JSON.stringify([...shown.querySelectorAll('#cards > li')].map(({ outerHTML }) => outerHTML))
      return cardsOf(document) === cardsOf(new DOMParser().parseFromString(html, 'text/html'))
    },
    html,
  )
