/**
 * A page that the cable asks to refresh: it says that it is catching up until it is rendered again, whatever delays Turbo,
 * and it takes nothing from its visitor.
 */
import type { Page } from 'playwright/test'
import { CLIENTS, status } from '../demo.ts'
import { expect, hear, look, miss, renders, type Site, type SiteRequest, serveCounted, test } from '../site.ts'

/** An app that handles Turbo's answer itself, so that the visit never ends. */
const HANDLER = `<script>addEventListener('turbo:before-fetch-response', event => {
  if (event.detail.fetchResponse.response.url.endsWith('/answer')) event.preventDefault()
})</script>`
/** Makes timers of more than 5 s never ring. */
const HASTE = `<script>
  const { setTimeout: set } = window
  window.setTimeout = (then, ms, ...parts) => (ms > 5000 ? 0 : set(then, ms, ...parts))
</script>`
const REFRESH = '<turbo-stream action="refresh"></turbo-stream>'
const LINK = '<a href="/next">next</a>'
const live = (page: Page) => expect(status(page)).toHaveText('live')

for (const client of CLIENTS) {
  for (const [about, answer] of [
    ['a download', { headers: { 'content-disposition': 'attachment', 'content-type': 'text/csv' }, body: 'a,b' }],
    ['nothing', { status: 204 }],
    ['a page that the app handles itself', '<h1>Mine</h1>'],
  ] as const) {
    test(`a page refreshes although a link was answered with ${about} (${client})`, async ({ site, open }) => {
      // Only if Turbo reloads the page do we see the end of its visit at once.
      const script = typeof answer === 'string' ? HANDLER : HASTE
      serveCounted(site, client, `<a href="/answer">answer</a>${script}`)
      site.on('/answer', () => answer)
      const page = await open('/')
      await live(page)
      await page.getByRole('link').click()
      await expect.poll(() => site.asked('/answer').length).toBe(typeof answer === 'string' ? 1 : 2)

      await miss(site)
      await look(page)

      await expect(renders(page)).toHaveText('2')
      await live(page)
    })

    test(`an app's own refresh reaches a page although a link was answered with ${about} (${client})`, async ({
      site,
      open,
    }) => {
      const script = typeof answer === 'string' ? HANDLER : HASTE
      serveCounted(site, client, `<a href="/answer">answer</a>${script}`)
      site.on('/answer', () => answer)
      const page = await open('/')
      await live(page)
      await page.getByRole('link').click()
      await expect.poll(() => site.asked('/answer').length).toBe(typeof answer === 'string' ? 1 : 2)

      await site.broadcast('news', REFRESH)

      await expect(renders(page)).toHaveText('2', { timeout: 30_000 })
      await live(page)
    })
  }

  test(`an app's own refresh during a visit to a page without its stream is forgotten (${client})`, async ({
    site,
    open,
  }) => {
    serveCounted(site, client, LINK)
    const page = await open('/')
    const next = () => site.page(client, '<p id="content">another page</p>', { streams: ['others'] })

    await refreshDuringVisit(site, page, next)

    await expect(page.locator('#content')).toHaveText('another page')
    await page.waitForTimeout(2500)
    expect(site.asked('/next').length).toBe(1)
  })

  test(`an app's own refresh during a visit follows it once (${client})`, async ({ site, open }) => {
    serveCounted(site, client, LINK)
    const page = await open('/')
    const contents = ['before', 'after']

    await refreshDuringVisit(site, page, () => site.page(client, `<p id="content">${contents.shift()}</p>`))

    await expect(page.locator('#content')).toHaveText('after')
    await page.waitForTimeout(2000)
    expect(site.asked('/next').length).toBe(2)
    await live(page)
  })

  test(`a page is never live between its gap and its refresh (${client})`, async ({ site, open }) => {
    let isWell = false
    site.on('/well', () => ({ status: isWell ? 200 : 500 }))
    serveCounted(site, client)
    const page = await open('/')
    await live(page)
    await page.evaluate(() => {
      const shown: string[] = []
      Object.assign(window, { shown })
      const note = () => {
        const last = `${document.querySelector('#renders')?.textContent} ${document.querySelector('#cable-status')?.textContent}`
        if (shown.at(-1) !== last) shown.push(last)
      }
      new MutationObserver(note).observe(document, { childList: true, subtree: true, characterData: true })
    })

    await miss(site, `--heal_check=${site.origin}/well`)
    await look(page)
    await hear(site, page)
    await expect(status(page)).toHaveText('catching up')
    isWell = true

    await expect(renders(page)).toHaveText('2')
    await live(page)
    const shown = await page.evaluate(() => (window as unknown as { shown: string[] }).shown)
    const from = shown.indexOf('1 catching up')
    expect(shown.slice(from).filter(each => each === '1 live')).toEqual([])
  })

  for (const [about, answer] of [
    ['an error', { status: 500, body: '<h1>Sorry</h1>' }],
    ['too many requests', { status: 429, body: '<h1>Wait</h1>' }],
    ['its login page', { status: 303, headers: { location: '/login' } }],
  ] as const) {
    test(`a page stays, and asks again with longer and longer pauses, while its app answers a refresh with ${about} (${client})`, async ({
      site,
      open,
    }) => {
      serveCounted(site, client, '<input id="words">')
      const page = await open('/')
      await live(page)
      await page.locator('#words').fill('half a thought')
      site.on('/login', () => '<h1>Sign in</h1>')
      const answerWell = async () => site.page(client, '<p id="renders">well</p><input id="words">')
      let isDown = true
      site.on('/', () => (isDown ? answer : answerWell()))
      const before = site.asked('/').length

      await miss(site)
      await look(page)
      await expect.poll(() => site.asked('/').length, { timeout: 30_000 }).toBeGreaterThanOrEqual(before + 3)
      await expect(status(page)).toContainText('something may be missing')
      await expect(renders(page)).toHaveText('1')
      await expect(status(page).getByRole('button', { name: 'Reload' })).toBeVisible()
      const [first, second, third] = site.asked('/').slice(before) as [SiteRequest, SiteRequest, SiteRequest]
      expect(second.at - first.at).toBeGreaterThan(999)
      expect(third.at - second.at).toBeGreaterThan(1999)
      isDown = false

      await expect(renders(page)).toHaveText('well', { timeout: 30_000 })
      await live(page)
      await expect(page.locator('#words')).toHaveValue('half a thought')
    })
  }

  test(`a page stays while its app does not answer at all (${client})`, async ({ site, open }) => {
    serveCounted(site, client)
    const page = await open('/')
    await live(page)
    let isDown = true
    await page.route(`${site.origin}/`, route => (isDown ? route.abort() : route.continue()))
    const refused = page.waitForEvent('requestfailed')

    await miss(site)
    await look(page)
    await refused
    await expect(status(page)).toHaveText('catching up')
    isDown = false

    await expect(renders(page)).toHaveText('2')
    await live(page)
  })

  test(`a page reloads where Turbo cannot refresh, unless the visitor's words would be lost (${client})`, async ({
    site,
    open,
  }) => {
    // As in Turbo 7, which has no such action.
    const seven = `<script type="module">
      addEventListener('turbo:load', () => { delete Turbo.StreamActions.refresh; delete Turbo.session.refresh })
      Object.defineProperty(Object.getPrototypeOf(Turbo.session), 'refresh', { value: undefined })
      delete Turbo.session.refresh
    </script>`
    const count = serveCounted(site, client, `<input id="words">${seven}`)
    const page = await open('/')
    await live(page)

    await page.locator('#words').fill('half a thought')
    await miss(site)
    await look(page)
    await expect(status(page)).toContainText('something may be missing')
    await expect(page.locator('#words')).toHaveValue('half a thought')
    expect(count()).toBe(1)

    await status(page).getByRole('button', { name: 'Reload' }).click()
    await expect(renders(page)).toHaveText('2')
    await live(page)
    await miss(site)
    await look(page)
    await expect(renders(page)).toHaveText('3')
    await live(page)
  })

  test(`a page reloads if its app prevents Turbo's visits (${client})`, async ({ site, open }) => {
    serveCounted(
      site,
      client,
      '<script>addEventListener("turbo:before-visit", event => event.preventDefault())</script>',
    )
    const page = await open('/')
    await live(page)

    await miss(site)
    await look(page)

    await expect(renders(page)).toHaveText('2')
    await live(page)
  })

  test(`a page from a cache reloads once, and not for ever (${client})`, async ({ site, open }) => {
    const old = await site.page(
      client,
      '<p id="renders">old</p><script>addEventListener("turbo:before-visit", event => event.preventDefault())</script>',
    )
    let loads = 0
    site.on('/', ({ headers }) => {
      if (headers['x-anycable-operation'] === undefined) loads++
      return old
    })
    await miss(site)
    const page = await open('/')

    await expect(status(page)).toContainText('something may be missing')
    await expect(status(page)).toHaveAttribute('title', /cache/)
    expect(loads).toBe(2)
  })

  test(`a page with a <base> refreshes its own URL (${client})`, async ({ site, open }) => {
    serveCounted(site, client, '', '/b/7', { head: '<base href="/">' })
    site.on('/', () => '<h1>Elsewhere</h1>')
    const page = await open('/b/7')
    await live(page)

    await miss(site)
    await look(page)

    await expect(renders(page)).toHaveText('2')
    await live(page)
    expect(new URL(page.url()).pathname).toBe('/b/7')
    expect(site.asked('/')).toEqual([])
  })

  test(`the script leaves an app's own refresh unchanged (${client})`, async ({ site, open }) => {
    serveCounted(site, client, '<input id="words">')
    const page = await open('/')
    await live(page)
    await page.evaluate(() => {
      const told: unknown[] = []
      Object.assign(window, { told })
      addEventListener('turbo:before-stream-render', event => {
        const { newStream, render } = (event as CustomEvent).detail
        told.push(Object.fromEntries([...newStream.attributes].map(({ name, value }: Attr) => [name, value])))
        Object.assign((event as CustomEvent).detail, {
          render: (stream: Element) => {
            told.push(stream.getAttribute('request-id'))
            return render(stream)
          },
        })
      })
    })
    await page.locator('#words').fill('half a thought')
    const attributes = { action: 'refresh', method: 'morph', scroll: 'reset', 'request-id': 'r1' }
    const text = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`)

    await site.broadcast('news', `<turbo-stream ${text.join(' ')}></turbo-stream>`)

    await expect(renders(page)).toHaveText('2')
    await expect(page.locator('#words')).toHaveValue('')
    expect(await page.evaluate(() => (window as unknown as { told: unknown[] }).told)).toEqual([attributes, 'r1'])
    await live(page)
  })
}

/** Follows the link, whose answer waits until Turbo has dropped a refresh of the app. */
async function refreshDuringVisit(site: Site, page: Page, answer: () => Promise<string>): Promise<void> {
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  site.on('/next', async () => {
    const html = answer()
    asked.resolve()
    await gate.promise
    return html
  })
  await live(page)
  await page.getByRole('link').click()
  await asked.promise
  await site.broadcast('news', REFRESH)
  await hear(site, page)
  // Turbo decides 150 ms after it has the refresh.
  await page.waitForTimeout(500)
  gate.resolve()
}
