/**
 * `npm run screenshots`: takes the README's picture from the running demo (npm start), with cards from all four languages. It is
 * kept if all frames show one board, live.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { chromium } from 'playwright'
import { chromiumLaunch } from '../../backends/harness/toolchain.ts'
import { LANGUAGES } from '../browser/demo.ts'

const origin = process.argv[2] ?? 'http://localhost:3000'
const CARDS = {
  typescript: ['Ada', 'Deploy is green. Shipping at four.'],
  python: ['Grace', 'The night job added 1,204 rows.'],
  php: ['Rasmus', 'Order #3107 was paid.'],
  ruby: ['Yukihiro', 'Lunch? The board is quiet.'],
} as const

const browser = await chromium.launch(chromiumLaunch())
const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
await page.goto(`${origin}/compare`)
await fetch(`${origin}/clear`, { method: 'POST' })
for (const [language, [author, body]] of Object.entries(CARDS)) {
  await fetch(`${origin}${LANGUAGES[language as keyof typeof CARDS]}cards`, {
    method: 'POST',
    body: new URLSearchParams({ author, body }),
  })
}
const frames = (await page.locator('iframe').all()).map(frame => frame.contentFrame())
const counts = () => Promise.all(frames.map(frame => frame.locator('#card-count').textContent()))
// A frame that is still refreshing after the clearing shows fewer cards for a moment.
for (const frame of frames) {
  await frame.locator('#card-count', { hasText: `${Object.keys(CARDS).length} cards` }).waitFor()
  await frame.locator('#cable-status[data-state=live]').waitFor()
}
await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)))
const before = await counts()
const picture = await page.screenshot()
assert.deepEqual([...before, ...(await counts())], Array(2 * frames.length).fill(`${Object.keys(CARDS).length} cards`))
writeFileSync('docs/compare.png', picture)
await browser.close()
