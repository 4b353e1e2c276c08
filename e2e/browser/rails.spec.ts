/**
 * What Rails has beyond the Board's contract: turbo-rails unchanged and AnyCable's gem, without RPC, on the Board of
 * `npm start`; and again with the keys of the guide, and with secret_key_base alone.
 */
import { expect, type Page } from 'playwright/test'
import { createProxy } from '../../testing/proxy.ts'
import {
  addCard,
  answered,
  CLIENTS,
  type ClientName,
  card,
  clearBoard,
  deleteCard,
  hasRails,
  isMarked,
  mark,
  onAnycable,
  status,
  test,
  unique,
} from './demo.ts'
import { isOfSlowMachine } from './existing-app.ts'
import { KEYS, type RailsStack, startRails } from './rails-stack.ts'

test.skip(!hasRails, 'the gems of backends/rails/Gemfile are missing: npm run setup, where RubyGems answers')

for (const client of CLIENTS) {
  test(`the page of one card listens to its record and to an array (${client})`, async ({ visit }) => {
    const board = await visit('rails', client)
    const body = unique('one of many')
    await addCard(board, body)
    const id = (await card(board, body).getAttribute('id'))!.slice('card_'.length)
    const page = await visit('rails', client)
    await page.goto(`/rails/?card=${id}`)
    await expect(status(page)).toHaveText('live')
    await mark(page)
    const other = unique('another')

    await card(board, body).getByRole('button', { name: 'Vote' }).click()
    await expect(page.locator('#votes')).toHaveText('1')
    await expect(card(page, body).locator('.votes')).toHaveText('1')
    await answered(board, () => addCard(board, other))
    await deleteCard(card(board, body))

    await expect(page.locator('#cards > .card')).toHaveCount(0)
    await expect(card(board, other)).toHaveCount(1)
    expect(await isMarked(page)).toBe(true)
  })

  test(`a refresh morphs the page without a reload, and typed text stays (${client})`, async ({ visit }) => {
    const [clearing, seeing] = [await visit('rails', client), await visit('rails', client)]
    await addCard(clearing, unique('soon gone'))
    await expect(seeing.locator('#cards > .card')).not.toHaveCount(0)
    await mark(seeing)
    await seeing.getByLabel('Card', { exact: true }).fill('half a sent')

    await clearBoard(clearing)

    await expect(seeing.locator('#cards > .card')).toHaveCount(0)
    await expect(seeing.getByLabel('Card', { exact: true })).toHaveValue('half a sent')
    expect(await isMarked(seeing)).toBe(true)
  })

  /** AnyCable has no positions, and turbo-rails asks for no history: there, a page never gets what it missed. */
  const caughtUp = onAnycable && client === 'rails' ? 0 : 1

  test(`a new page shows what came between its query and its subscription (${client})`, async ({
    browser,
    baseURL,
  }) => {
    const network = await createProxy(Number(new URL(baseURL!).port))
    const page = await browser.newPage()
    network.freeze(/^\/cable/)
    await page.goto(`${network.origin}/rails/?client=${client}`)
    await expect.poll(() => network.count(/^\/cable/)).toBe(1)
    const [late, next] = [unique('born late'), unique('next')]
    await post(`${baseURL}/python/cards`, late)
    expect(await card(page, late).count()).toBe(0)

    network.pass()

    await expect(status(page)).toHaveText('live')
    await post(`${baseURL}/rails/cards`, next)
    await expect(card(page, next)).toHaveCount(1)
    await expect(card(page, late)).toHaveCount(caughtUp)
    await page.close()
    await network.close()
  })

  test(`a page catches up after its network was gone (${client})`, async ({ browser, baseURL }) => {
    const network = await createProxy(Number(new URL(baseURL!).port))
    const page = await openAt(await browser.newPage(), network.origin, client)
    const [missed, next] = [unique('missed'), unique('next')]

    network.cut()
    await expect(status(page)).not.toHaveText('live')
    await post(`${baseURL}/rails/cards`, missed)
    network.pass()
    // Either client then connects at once, instead of after its delay.
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))

    await expect(status(page)).toHaveText('live', { timeout: 60_000 })
    await post(`${baseURL}/rails/cards`, next)
    await expect(card(page, next)).toHaveCount(1)
    await expect(card(page, missed)).toHaveCount(caughtUp)
    await page.close()
    await network.close()
  })
}

test('a page shows the card that it adds, and gets no broadcast of it', async ({ visit }) => {
  const [adding, seeing] = [await visit('rails'), await visit('rails')]
  const [own, others] = [unique('my own'), unique('of others')]
  const [toAdding, toSeeing] = await Promise.all([adding, seeing].map(frames))

  await addCard(adding, own)
  await expect(card(adding, own)).toHaveCount(1)
  await expect(card(seeing, own)).toHaveCount(1)
  await addCard(seeing, others)
  await expect(card(adding, others)).toHaveCount(1)

  // The second is there, so the first would be.
  await expect
    .poll(() => [own, others].map(body => toAdding!.some(frame => frame.includes(body))))
    .toEqual([false, true])
  expect(toSeeing!.some(frame => frame.includes(own))).toBe(true)
})

test('with ?client=rails the page loads the Turbo of the gem, which Rails serves', async ({ page }) => {
  const loaded: string[] = []
  page.on('response', response => loaded.push(new URL(response.url()).pathname))
  const said: string[] = []
  page.on('console', message => isOfSlowMachine(message) || said.push(message.text()))

  await page.goto('/rails/?client=rails')

  await expect(status(page)).toHaveText('live')
  expect(loaded).toContain('/rails/turbo.min.js')
  expect(loaded).toContain('/assets/rails-gem.js')
  expect(loaded).not.toContain('/assets/rails.js')
  expect(said).toEqual([])
})

for (const [title, keys] of Object.entries(KEYS)) {
  test.describe(`with ${title}`, () => {
    test.skip(
      onAnycable && 'HOTCABLE_RAILS_SECRET_KEY_BASE' in keys.both,
      'AnyCable does not derive keys from secret_key_base',
    )
    let stack: RailsStack
    test.beforeAll(async () => {
      stack = await startRails(keys)
    })
    test.afterAll(() => stack.close())

    for (const client of CLIENTS) {
      // Older defaults change a key, and nothing that a client sees.
      if (title.endsWith('6.1') && client !== 'rails') continue

      test(`cards of one Rails page appear on the other, with ${title} (${client})`, async ({ browser }) => {
        const open = async () => openAt(await browser.newPage(), stack.origin, client)
        const [writing, reading] = [await open(), await open()]
        const body = unique('through the cable')

        await addCard(writing, body)
        await expect(card(reading, body)).toHaveCount(1)
        await card(reading, body).getByRole('button', { name: 'Vote' }).click()
        await expect(card(writing, body).locator('.votes')).toHaveText('1')

        await Promise.all([writing, reading].map(page => page.close()))
      })
    }

    test(`a forged name is rejected, with ${title}`, async ({ browser }) => {
      const page = await browser.newPage()
      await page.route(/\/rails\/(\?.*)?$/, async route => {
        const response = await route.fetch()
        const html = (await response.text()).replace(/(signed-stream-name="[^"]*--)[0-9a-f]{64}/, `$1${'0'.repeat(64)}`)
        await route.fulfill({ response, body: html })
      })
      await page.context().grantPermissions(['local-network-access'])

      await page.goto(`${stack.origin}/rails/`)

      await expect(status(page)).toHaveText(/^refused/)
      await page.close()
    })
  })
}

async function post(url: string, body: string): Promise<void> {
  const answer = await fetch(url, { method: 'POST', body: new URLSearchParams({ body }), redirect: 'manual' })
  expect(answer.status).toBe(303)
}

async function openAt(page: Page, origin: string, client: ClientName): Promise<Page> {
  await page.goto(`${origin}/rails/?client=${client}`)
  await expect(status(page)).toHaveText('live')
  return page
}

/** The cable's frames from now on. It opens the page again, because Playwright can listen only to new sockets. */
async function frames(page: Page): Promise<string[]> {
  const received: string[] = []
  page.on('websocket', socket => socket.on('framereceived', ({ payload }) => received.push(String(payload))))
  await page.reload()
  await expect(status(page)).toHaveText('live')
  return received
}
