/** Pages that heal: the browser keeps a page frozen, in its back-forward cache or in its HTTP cache, and shows it again. */
import { chromium, expect } from 'playwright/test'
import { CLIENTS, card, look, status } from '../demo.ts'
import { addCards, expectTrue, FEW, label, openTab, rewrite, test } from '../tab.ts'

for (const person of FEW) {
  test(`a page shows what it missed when its visitor goes back to it ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    await addCards(stack, mine, 2, 'seen')
    const elsewhere = person.language === 'python' ? 'TypeScript' : 'Python'
    await page.getByRole('link', { name: elsewhere }).click()
    await expect(page.locator('body')).toHaveAttribute('data-backend', elsewhere.toLowerCase())
    await expect(status(page)).toHaveText('live')
    const [missed] = await addCards(stack, mine, 1, 'while elsewhere')
    await expect(card(page, missed!)).toHaveCount(1)

    await page.goBack()

    await expect(page.locator('body')).toHaveAttribute('data-backend', person.language)
    await expect(card(page, missed!)).toHaveCount(1)
    await expectTrue(stack, mine)
  })

  test(`a page that was frozen catches up when it is resumed ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })

    await addCards(stack, mine, 5, 'while frozen')
    mine.network.drop()
    await addCards(stack, mine, 5, 'while frozen and cut off')
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await look(mine.page)

    await expectTrue(stack, mine)
  })
}

for (const client of CLIENTS) {
  test(`a page catches up when the browser takes it out of its back-forward cache (${client})`, async ({ stack }, {
    project,
  }) => {
    // Playwright disables the back-forward cache that users' browsers have.
    const browser = await chromium.launch({
      ...project.use.launchOptions,
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
    })
    const { tab, close } = await openTab(browser, stack, { client, language: 'typescript' })
    const { page } = tab
    // The Board says no-store, and a browser puts such a page into no back-forward cache once it had a WebSocket.
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      await route.fulfill({ response, headers: { ...response.headers(), 'cache-control': 'no-cache' } })
    })
    await tab.visit()
    await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => Object.assign(window, { persisted })))
    await page.goto(`${tab.network.origin}/health`)
    await addCards(stack, tab, 3, 'while in the cache')

    // Not goBack: it waits for a load event, which never comes here.
    await page.evaluate(() => void setTimeout(() => history.back()))

    await page.waitForFunction(() => 'persisted' in window && window.persisted === true)
    await expectTrue(stack, tab)
    await close()
    await browser.close()
  })

  test(`a page from an old cache refreshes once, and not for ever (${client})`, async ({ stack, tab }) => {
    const mine = await tab({ client, language: 'typescript' })
    const { page, network } = mine
    const url = `${network.origin}/?client=${client}`
    const old = await (await fetch(url)).text()
    await stack.cable.kill()
    await stack.cable.start()
    await rewrite(page, () => old)

    await page.addInitScript(() => addEventListener('turbo:render', () => Object.assign(window, { rendered: true })))
    await page.goto(url)
    // The refresh shows the cached page again, and so removes the cards that arrived before it.
    await page.waitForFunction(() => 'rendered' in window)

    for (let round = 0; round < 3; round++) {
      const [body] = await addCards(stack, mine, 1, 'still live')
      await expect(card(page, body!)).toHaveCount(1)
    }
    expect(mine.fetches()).toBe(2)
    await expect(status(page)).toContainText('something may be missing')
  })
}
