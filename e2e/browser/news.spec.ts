/** How a reader of a long list learns of new cards; which cards are the reader's own; what a status means. */
import { expect } from 'playwright/test'
import { addCard, card, languages, openBoard, test, unique } from './demo.ts'

const post = async (baseURL: string, body: string): Promise<void> => {
  await fetch(`${baseURL}/cards`, { method: 'POST', body: new URLSearchParams({ body }), redirect: 'manual' })
}

test.beforeEach(async ({ baseURL }) => {
  await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
})

test.describe('a long list', () => {
  test.beforeEach(async ({ baseURL }) => {
    for (let at = 0; at < 15; at++) await post(baseURL!, unique('long'))
  })

  test('a pill counts the news below, leads there, and disappears', async ({ page, baseURL }) => {
    await openBoard(page, 'typescript')
    const pill = page.locator('#board-news button')
    const [first, second] = [unique('news'), unique('more news')]

    await post(baseURL!, first)
    await expect(pill).toHaveText('1 new ↓')
    await post(baseURL!, second)
    await expect(pill).toHaveText('2 new ↓')
    await expect(page.locator('#board-news')).toHaveRole('status')
    expect(await page.evaluate(() => window.scrollY)).toBe(0)
    await pill.focus()
    await page.keyboard.press('Enter')

    await expect(card(page, first)).toBeInViewport({ ratio: 1 })
    await expect(pill).toHaveCount(0)
    await expect(card(page, first).getByRole('button', { name: 'Vote' })).toBeFocused()
  })

  test('a pill disappears when its cards are scrolled to, or deleted', async ({ page, baseURL }) => {
    await openBoard(page, 'typescript')
    const pill = page.locator('#board-news button')
    const body = unique('news')
    await post(baseURL!, body)
    await expect(pill).toHaveText('1 new ↓')
    const id = (await card(page, body).getAttribute('id'))!.slice('card_'.length)

    await fetch(`${baseURL}/cards/${id}/delete`, { method: 'POST', redirect: 'manual' })
    await expect(pill).toHaveCount(0)
    await post(baseURL!, body)
    await expect(pill).toHaveText('1 new ↓')
    await page.mouse.wheel(0, 10_000)

    await expect(pill).toHaveCount(0)
  })

  test('a reader at the end follows it, and so does a frame of /compare', async ({ page, baseURL }) => {
    await openBoard(page, 'typescript')
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
    const body = unique('followed')
    await post(baseURL!, body)
    await expect(card(page, body)).toBeInViewport()
    await expect(page.locator('#board-news button')).toHaveCount(0)

    await page.goto('/compare')
    const frame = page.locator('iframe').first().contentFrame()
    await expect(frame.locator('#cable-status')).toHaveText('live')
    const framed = unique('followed in a frame')
    await post(baseURL!, framed)

    await expect(frame.locator('.card', { hasText: framed })).toBeInViewport()
    await expect(frame.locator('#board-news button')).toHaveCount(0)
  })
})

for (const language of languages) {
  test(`a page marks its visitor's own cards, also after a vote, in another window and on a new page, in ${language}`, async ({
    page,
    visit,
    context,
  }) => {
    const [mine, others] = [unique('mine'), unique('of another')]
    await openBoard(page, language)
    const window2 = await context.newPage()
    await openBoard(window2, language)
    await addCard(await visit('typescript'), others, 'Ada')
    await expect(card(page, others)).toHaveCount(1)

    await addCard(page, mine, 'Ada')
    await expect(card(window2, mine)).toHaveCount(1)
    await card(window2, mine).getByRole('button', { name: 'Vote' }).click()
    await expect(card(page, mine).locator('.votes')).toHaveText('1')

    for (const shown of [page, window2]) {
      await expect(card(shown, mine)).toHaveAttribute('data-own', '')
      await expect(card(shown, others)).not.toHaveAttribute('data-own')
    }
    await page.reload()
    await expect(card(page, mine)).toHaveAttribute('data-own', '')
    await expect(card(page, others)).not.toHaveAttribute('data-own')
  })
}

test('a refused page says what to do, and that writing still works', async ({ page }) => {
  await page.context().grantPermissions(['local-network-access'])
  await page.route(/\/$/, async route => {
    const response = await route.fetch()
    const html = (await response.text()).replace(/(signed-stream-name="[^"]*--)[0-9a-f]{64}/, `$1${'0'.repeat(64)}`)
    await route.fulfill({ response, body: html })
  })
  await page.goto('/')

  const note = page.locator('#board-note')
  await expect(note).toContainText('You can still write')
  await expect(note).toContainText((await page.locator('#cable-status').getAttribute('title'))!.slice(1, 30))
})

test('a page without its cable says that writing still works, and it does', async ({ page }) => {
  await page.routeWebSocket(/\/cable/, socket => socket.close())
  await page.goto('/')
  const note = page.locator('#board-note')
  await expect(note).toHaveText(/^The cable does not answer\. You can still write/)
  const body = unique('written offline')

  await addCard(page, body)

  await expect(card(page, body)).toHaveCount(1)
  await expect(note).toContainText('You can still write')
})

test('a form in flight keeps what the visitor types meanwhile', async ({ page }) => {
  await openBoard(page, 'typescript')
  let answer = () => {}
  const asked = new Promise<void>(resolve => {
    void page.route('**/cards', async route => {
      resolve()
      await new Promise<void>(then => {
        answer = then
      })
      await route.continue()
    })
  })
  const field = page.getByLabel('Card', { exact: true })
  const [first, next] = [unique('first'), unique('typed meanwhile')]
  await addCard(page, first)
  await asked
  await field.fill(next)
  answer()

  await expect(card(page, first)).toHaveCount(1)
  await expect(field).toHaveValue(next)
  await page.unroute('**/cards')
  await field.press('Enter')
  await expect(card(page, next)).toHaveCount(1)
  await expect(field).toHaveValue('')
})
