/** The Board by keyboard: whatever a page does, some element of it has the focus. */
import type { Page } from 'playwright/test'
import { expect } from 'playwright/test'
import { answered, CLIENTS, card, languages, openBoard, test, unique } from './demo.ts'

async function post(baseURL: string, path: string, body?: string): Promise<void> {
  const form = new URLSearchParams(body === undefined ? {} : { body })
  await fetch(baseURL + path, { method: 'POST', body: form, redirect: 'manual' })
}

async function threeCards(page: Page, baseURL: string): Promise<[string, string, string]> {
  const bodies: [string, string, string] = [unique('one'), unique('two'), unique('three')]
  for (const body of bodies) await post(baseURL, '/cards', body)
  for (const body of bodies) await expect(card(page, body)).toHaveCount(1)
  return bodies
}

/** Submits the form with the focused button. */
const enter = (page: Page) => answered(page, () => page.keyboard.press('Enter'))
const vote = (page: Page, body: string) => card(page, body).getByRole('button', { name: 'Vote' })
const ask = (page: Page, body: string) => card(page, body).getByLabel('Delete this card')
const field = (page: Page) => page.getByLabel('Card', { exact: true })

test.beforeEach(({ baseURL }) => post(baseURL!, '/clear'))

for (const client of CLIENTS) {
  for (const language of languages) {
    test(`votes, deletions and clearing keep the focus, in ${language} (${client})`, async ({ page, baseURL }) => {
      await openBoard(page, language, client)
      const [one, two, three] = await threeCards(page, baseURL!)

      await vote(page, two).focus()
      await enter(page)
      await expect(card(page, two).locator('.votes')).toHaveText('1')
      await expect(vote(page, two)).toBeFocused()

      await ask(page, two).focus()
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      await expect(card(page, two).getByRole('button', { name: 'Delete' })).toBeFocused()
      await enter(page)
      await expect(card(page, two)).toHaveCount(0)
      await expect(ask(page, three)).toBeFocused()

      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      await enter(page)
      await expect(card(page, three)).toHaveCount(0)
      await expect(ask(page, one)).toBeFocused()

      await page.getByText('Clear the board').focus()
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      await enter(page)
      await expect(card(page, one)).toHaveCount(0)
      await expect(field(page)).toBeFocused()
    })
  }

  test(`a reader keeps the focus while other visitors delete and clear (${client})`, async ({ page, baseURL }) => {
    await openBoard(page, 'typescript', client)
    const [one, two] = await threeCards(page, baseURL!)
    const id = (await card(page, one).getAttribute('id'))!.slice('card_'.length)
    await vote(page, one).focus()

    await post(baseURL!, `/cards/${id}/delete`)
    await expect(card(page, one)).toHaveCount(0)
    await expect(vote(page, two)).toBeFocused()

    await post(baseURL!, '/clear')
    await expect(card(page, two)).toHaveCount(0)
    await expect(field(page)).toBeFocused()
  })

  test(`the focus does not return to a card that the reader has left (${client})`, async ({ page, baseURL }) => {
    await openBoard(page, 'typescript', client)
    const [one, two] = await threeCards(page, baseURL!)
    const id = (await card(page, one).getAttribute('id'))!.slice('card_'.length)
    await vote(page, one).focus()
    await page.locator('h1').click({ position: { x: 300, y: 5 }, force: true })
    await expect(page.locator('body')).toBeFocused()

    await post(baseURL!, `/cards/${id}/delete`)
    await expect(card(page, one)).toHaveCount(0)

    await expect(page.locator('body')).toBeFocused()
    await expect(vote(page, two)).not.toBeFocused()
  })

  test(`a question stays open while other visitors vote (${client})`, async ({ page, baseURL }) => {
    await openBoard(page, 'typescript', client)
    const [one] = await threeCards(page, baseURL!)
    const id = (await card(page, one).getAttribute('id'))!.slice('card_'.length)
    await ask(page, one).click()

    await post(baseURL!, `/cards/${id}/vote`)

    await expect(card(page, one).locator('.votes')).toHaveText('1')
    await expect(card(page, one).getByRole('button', { name: 'Delete' })).toBeVisible()
  })
}
