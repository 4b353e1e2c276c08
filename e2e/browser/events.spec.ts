/**
 * Live pages without a cable client: Turbo's own <turbo-stream-source src>, which is the browser's EventSource, on the
 * Board of each language. It needs no package, and reconnects without help.
 */
import { fileURLToPath } from 'node:url'
import { expect, type Page } from 'playwright/test'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { type BoardLanguageName, card, LANGUAGES, languages, test as people, unique } from './demo.ts'

const TURBO = fileURLToPath(new URL('../../node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js', import.meta.url))

type Watch = (language: BoardLanguageName) => Promise<{ page: Page; network: TcpProxy }>

/** `watch` opens a Board with Turbo alone, over a network that a test can cut. */
const test = people.extend<{ watch: Watch }>({
  watch: async ({ browser, baseURL }, use) => {
    const clean: (() => Promise<void>)[] = []
    await use(async language => {
      const network = await createProxy(Number(new URL(baseURL!).port))
      // The browser counts a page that a test serves as public, and lets a public page reach localhost only with permission.
      const context = await browser.newContext({ permissions: ['local-network-access'] })
      clean.push(async () => {
        await context.close()
        await network.close()
      })
      const page = await context.newPage()
      await page.route('**/assets/*.js', route => route.fulfill({ path: TURBO, contentType: 'text/javascript' }))
      await page.route(/\/(\?.*)?$/, async route => {
        const response = await route.fetch()
        await route.fulfill({ response, body: withEvents(await response.text()) })
      })
      const connected = page.waitForResponse(/\/events/)
      await page.goto(network.origin + LANGUAGES[language])
      expect((await connected).status()).toBe(200)
      return { page, network }
    })
    for (const end of clean) await end()
  },
})

for (const language of languages) {
  test(`cards appear on a page that has no cable client, in ${language}`, async ({ watch, request }) => {
    const { page } = await watch(language)
    for (const writer of languages) {
      const body = unique(`from ${writer}`)

      await request.post(`${LANGUAGES[writer]}cards`, { form: { body }, maxRedirects: 0 })

      await expect(card(page, body)).toHaveCount(1)
    }
    expect(await page.evaluate(() => customElements.get('turbo-cable-stream-source'))).toBe(undefined)
  })
}

test('a page that has no cable client catches up after its network was gone', async ({ watch, request }) => {
  const { page, network } = await watch('php')
  const [before, missed, after] = [unique('before'), unique('missed'), unique('after')]
  const add = (body: string) => request.post('/cards', { form: { body }, maxRedirects: 0 })
  await add(before)
  await expect(card(page, before)).toHaveCount(1)
  await page.evaluate(() => {
    const added: string[] = []
    Object.assign(window, { added })
    new MutationObserver(changes => {
      for (const { addedNodes } of changes) for (const node of addedNodes) added.push(node.textContent ?? '')
    }).observe(document.getElementById('cards')!, { childList: true })
  })

  network.cut()
  await add(missed)
  network.pass()

  await expect(card(page, missed)).toHaveCount(1)
  await add(after)
  await expect(card(page, after)).toHaveCount(1)
  const added = await page.evaluate(() => (window as unknown as { added: string[] }).added)
  for (const body of [missed, after]) expect(added.filter(text => text.includes(body))).toHaveLength(1)
  // It remembers its position: no card comes twice.
  expect(added.filter(text => text.includes(before))).toHaveLength(0)
  expect(network.requests(/^\/events/)).toBeGreaterThan(1)
})

/** The Board's page that gets the same stream, from the same position, as events: only the tag of the client differs. */
function withEvents(html: string): string {
  const content = (pattern: RegExp) => encodeURIComponent(pattern.exec(html)![1]!)
  const src = [
    `/events?turbo_signed_stream_name=${content(/signed-stream-name="([^"]+)"/)}`,
    `jid=${content(/name="cable-token" content="([^"]+)"/)}`,
    `position=${content(/data-position="([^"]+)"/)}`,
  ].join('&amp;')
  return html.replace(
    /<turbo-cable-stream-source.*?<\/turbo-cable-stream-source>/,
    `<turbo-stream-source src="${src}"></turbo-stream-source>`,
  )
}
