/**
 * Back and forward between a Board and /compare, again and again: each page is live when it shows. Such a loop once hung for
 * 40 s. E2E_ROUNDS sets the number of rounds; a busy machine shows more (E2E_ROUNDS=200).
 */
import { expect } from 'playwright/test'
import { status } from '../demo.ts'
import { test } from '../tab.ts'

const ROUNDS = Number(process.env.E2E_ROUNDS || 10)
const RUNNING = ['TypeScript', 'Python']

test(`a page is live after ${ROUNDS} rounds of back and forward between a Board and /compare`, async ({ tab }) => {
  test.setTimeout(60_000 + ROUNDS * 15_000)
  const mine = await tab({ client: 'anycable', language: 'typescript' })
  const { page } = mine
  await mine.visit()
  await page.getByRole('link', { name: 'Compare' }).click()

  let slowestMs = 0
  for (let round = 1; round <= ROUNDS; round++) {
    const from = performance.now()
    for (const title of RUNNING) {
      const frame = page.frameLocator(`iframe[title$="${title}"]`)
      await expect(frame.locator('#cable-status'), `round ${round}, ${title}`).toHaveText('live')
    }
    await page.goBack()
    await expect(status(page), `round ${round}`).toHaveText('live')
    await page.goForward()
    slowestMs = Math.max(slowestMs, performance.now() - from)
  }

  test.info().annotations.push({ type: 'slowest round', description: `${Math.round(slowestMs)} ms` })
})
