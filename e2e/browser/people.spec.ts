/** /people: the windows that are here, each with the name that its reader typed. */
import { expect, type Page } from 'playwright/test'
import { createProxy } from '../../testing/proxy.ts'
import { status, test } from './demo.ts'

const people = (page: Page) => page.locator('#people li')

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await expect(status(page)).toHaveText('live')
}

async function name(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your name').fill(text)
  await page.keyboard.press('Enter')
}

test('/people shows each window that opens, the name that it takes, and that it goes', async ({ page, browser }) => {
  await open(page, '/people')
  await expect(page.locator('#people-count')).toContainText('Only this window is here')
  const second = await browser.newPage()
  await open(second, page.url())
  for (const each of [page, second]) await expect(people(each)).toHaveCount(2)

  await name(second, '<b>Łódź</b>')

  await expect(people(page).filter({ hasText: '<b>Łódź</b>' })).toHaveCount(1)
  await expect(people(page).filter({ hasText: 'this window' })).toHaveCount(1)
  await expect(page.locator('#people-count')).toHaveText('2 windows are here.')
  await second.close({ runBeforeUnload: true })
  await expect(people(page)).toHaveCount(1)
})

test('/people knows the other windows of a browser, and the name of its reader', async ({ page, context }) => {
  await open(page, '/people')
  await name(page, 'Ada')
  const second = await context.newPage()
  await open(second, page.url())

  await expect(second.getByLabel('Your name')).toHaveValue('Ada')
  await expect(people(second)).toHaveText(['Ada (this window)', 'Ada (this browser)'])
})

test('a window of /people that lost its network is in the list again', async ({ page, browser, baseURL }) => {
  const network = await createProxy(Number(new URL(baseURL!).port))
  await open(page, '/people')
  const second = await browser.newPage()
  await open(second, `${network.origin}/people`)
  await expect(people(page)).toHaveCount(2)

  network.cut()
  await expect(status(second)).toHaveText('connecting')
  await expect(people(page)).toHaveCount(1)
  network.pass()

  for (const each of [page, second]) await expect(people(each)).toHaveCount(2)
  await second.close()
  await network.close()
})
