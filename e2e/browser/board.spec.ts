/**
 * All languages, two clients, one Board: a change on one page shows on every other, at once and without a reload.
 */
import { expect } from 'playwright/test'
import {
  addCard,
  answered,
  CLIENTS,
  card,
  clearBoard,
  deleteCard,
  isMarked,
  LANGUAGES,
  languages,
  mark,
  test,
  unique,
} from './demo.ts'

/** Each language with each; and Rails with one other, both ways. */
const pairs = languages
  .flatMap(reader => languages.map(writer => ({ reader, writer })))
  .filter(({ reader, writer }) => ([reader, writer].includes('rails') ? [reader, writer].includes('python') : true))

for (const client of CLIENTS) {
  for (const { reader, writer } of pairs) {
    test(`a card written in ${writer} appears on a page of ${reader} (${client})`, async ({ visit }) => {
      const reading = await visit(reader, client)
      const writing = await visit(writer, client)
      await mark(reading)
      const body = unique(`from ${writer}`)

      await addCard(writing, body)

      await expect(card(reading, body)).toHaveCount(1)
      await expect(card(reading, body)).toHaveAttribute('data-backend', writer)
      await expect(card(reading, body).locator('.author')).toHaveText('Ada')
      await expect(card(writing, body)).toHaveCount(1)
      expect(await isMarked(reading)).toBe(true)
    })
  }

  for (const language of languages) {
    test(`other visitors see votes, deletions and clearing, in ${language} (${client})`, async ({ visit }) => {
      const other = languages[(languages.indexOf(language) + 1) % languages.length]!
      const [doing, seeing, elsewhere] = [
        await visit(language, client),
        await visit(language, client),
        await visit(other, client),
      ]
      const [stays, goes] = [unique('stays'), unique('goes')]
      for (const body of [stays, goes]) {
        await answered(doing, () => addCard(doing, body))
        for (const page of [doing, seeing, elsewhere]) await expect(card(page, body)).toHaveCount(1)
      }

      await card(doing, stays).getByRole('button', { name: 'Vote' }).click()
      for (const page of [doing, seeing, elsewhere]) await expect(card(page, stays).locator('.votes')).toHaveText('1')

      await deleteCard(card(doing, goes))
      for (const page of [doing, seeing, elsewhere]) await expect(card(page, goes)).toHaveCount(0)
      await expect(card(seeing, stays)).toHaveCount(1)

      await clearBoard(doing)
      for (const page of [doing, seeing, elsewhere]) {
        await expect(page.locator('#cards > .card')).toHaveCount(0)
        await expect(page.locator('#card-count')).toHaveText('0 cards')
        await expect(page.locator('.empty')).toBeVisible()
      }
    })
  }
}

for (const language of languages) {
  test(`a card's text stays text, rendered and live, in ${language}`, async ({ visit }) => {
    const [writing, reading] = [await visit(language), await visit('typescript')]
    const body = `<script>window.hacked=1</script><img src=x onerror="window.hacked=1"> & "'${unique('evil')}`
    await addCard(writing, body, '<b>Eve</b>')

    for (const page of [reading, writing]) {
      await expect(card(page, body).locator('.body')).toHaveText(body)
      await expect(card(page, body).locator('.author')).toHaveText('<b>Eve</b>')
      await page.reload()
      await expect(card(page, body).locator('.body')).toHaveText(body)
      expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
    }
  })

  test(`the Board works as plain forms, in ${language}`, async ({ browser }) => {
    const page = await browser.newPage({ javaScriptEnabled: false })
    const home = LANGUAGES[language]
    await page.goto(home)
    const body = unique('plain')
    await addCard(page, body)

    await expect(page).toHaveURL(home)
    await expect(card(page, body)).toHaveCount(1)
    await card(page, body).getByRole('button', { name: 'Vote' }).click()
    await expect(card(page, body).locator('.votes')).toHaveText('1')
    await deleteCard(card(page, body))
    await expect(card(page, body)).toHaveCount(0)
    await clearBoard(page)
    await expect(page).toHaveURL(home)
    await expect(page.locator('.empty')).toBeVisible()
  })
}

test("the README's curl changes every open page", async ({ visit, baseURL }) => {
  const pages = await Promise.all(languages.map(language => visit(language)))
  const body = unique('hello from a terminal')
  const answer = await fetch(`${baseURL}/cards`, {
    method: 'POST',
    body: new URLSearchParams({ body }),
    redirect: 'manual',
  })

  expect(answer.status).toBe(303)
  for (const page of pages) await expect(card(page, body)).toHaveCount(1)
})

test('/compare shows every Board live, each in its own frame', async ({ page, visit }) => {
  await page.goto('/compare')
  const frames = page.locator('iframe')
  await expect(frames).toHaveCount(languages.length)
  for (let i = 0; i < languages.length; i++)
    await expect(frames.nth(i).contentFrame().locator('#cable-status')).toHaveText('live')
  const body = unique('seen in all of them')
  await addCard(await visit('ruby'), body)

  for (let i = 0; i < languages.length; i++)
    await expect(frames.nth(i).contentFrame().locator('#cards > .card', { hasText: body })).toHaveCount(1)
})
