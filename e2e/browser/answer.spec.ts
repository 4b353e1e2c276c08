/** /answer: an answer that streams in, also over a network that breaks in its middle. */
import { expect, type Page } from 'playwright/test'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { isMarked, mark, status, test } from './demo.ts'

const END = 'you read the same text as a page that never left.'
const answer = (page: Page) => page.locator('.answer')

/** Asks, and waits for the first words. */
async function ask(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/answer`)
  await page.getByLabel('Question').fill('Why does <b>this</b> work?')
  await page.getByRole('button', { name: 'Ask' }).click()
  await expect(answer(page)).toContainText('I am a small program')
  await expect(status(page)).toHaveText('live')
}

/** The page shows what a fresh page shows. */
async function expectWhole(page: Page): Promise<void> {
  await expect(answer(page)).toHaveAttribute('aria-busy', 'false')
  const shown = await answer(page).evaluate(article => article.outerHTML)
  expect(shown).toContain(END)
  expect(shown).toContain('&lt;b&gt;this&lt;/b&gt;')
  const fresh = await page.evaluate(async () => await (await fetch(location.href)).text())
  expect(fresh).toContain(shown)
}

async function withNetwork(baseURL: string, use: (network: TcpProxy) => Promise<void>): Promise<void> {
  const network = await createProxy(Number(new URL(baseURL).port))
  await use(network).finally(() => network.close())
}

test('an answer appears word by word, without a request, and ends', async ({ page, baseURL }) => {
  await ask(page, baseURL!)
  await expect(answer(page)).toHaveAttribute('aria-busy', 'true')
  let requests = 0
  page.on('request', () => requests++)

  await expect(answer(page)).toContainText('About ten times a second')
  await expect(answer(page)).toHaveAttribute('aria-busy', 'false')

  expect(requests).toBe(0)
  await expectWhole(page)
  await expect(page.getByLabel('Question')).toHaveValue('')
})

test('a page that lost its socket in the middle goes on, and shows the whole answer', async ({ page, baseURL }) => {
  await withNetwork(baseURL!, async network => {
    await ask(page, network.origin)
    await mark(page)

    network.drop()

    await expect(answer(page)).toContainText('About ten times a second')
    await expectWhole(page)
    expect(await isMarked(page)).toBe(true)
  })
})

test('a page without a network until after the end shows the whole answer', async ({ page, context, baseURL }) => {
  await withNetwork(baseURL!, async network => {
    await ask(page, network.origin)
    await mark(page)
    const watcher = await context.newPage()
    await watcher.goto(baseURL! + new URL(page.url()).pathname)

    network.cut()
    await expect(status(page)).not.toHaveText('live')
    await expect(answer(watcher)).toHaveAttribute('aria-busy', 'false')
    await expect(answer(page)).toHaveAttribute('aria-busy', 'true')
    await expect(answer(page)).not.toContainText(END)
    network.pass()

    await expectWhole(page)
    await expect(status(page)).toHaveText('live')
    expect(await isMarked(page)).toBe(true)
  })
})

test('a page that is opened in the middle shows the text so far, and goes on', async ({ page, context, baseURL }) => {
  await ask(page, baseURL!)
  const late = await context.newPage()

  await late.goto(page.url())

  await expect(answer(late)).toContainText('You asked')
  await expectWhole(late)
  await expectWhole(page)
  expect(await answer(late).innerHTML()).toBe(await answer(page).innerHTML())
})

test('an update that arrives after the end changes nothing', async ({ page, baseURL }) => {
  await ask(page, baseURL!)
  await expectWhole(page)
  const before = await answer(page).innerHTML()

  await page.evaluate(() => {
    const { id } = document.querySelector('.answer')!
    for (const [action, target] of [
      ['update', `${id}_text`],
      ['after', id],
    ])
      document.body.insertAdjacentHTML(
        'beforeend',
        `<turbo-stream action="${action}" target="${target}"><template><p id="late">late</p></template></turbo-stream>`,
      )
  })

  await expect(page.locator('.answer + #late')).toBeAttached()
  expect(await answer(page).innerHTML()).toBe(before)
})
