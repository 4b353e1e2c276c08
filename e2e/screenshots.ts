/**
 * `npm run screenshots`: the README's picture, taken of the running demo (npm start) with cards from all four languages.
 */
import { chromium } from 'playwright'
import { findChromium } from '../backends/toolchain.ts'
import { LANGUAGES } from './demo.ts'

const origin = process.argv[2] ?? 'http://localhost:3000'
const CARDS = {
  typescript: ['Ada', 'Deploy is green. Shipping at four.'],
  python: ['Grace', 'The night job added 1,204 rows.'],
  php: ['Rasmus', 'Order #3107 was paid.'],
  ruby: ['Yukihiro', 'Lunch? The board is quiet.'],
} as const

const browser = await chromium.launch({
  executablePath: findChromium(),
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
})
const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
await page.goto(`${origin}/compare`)
await fetch(`${origin}/clear`, { method: 'POST' })
for (const [language, [author, body]] of Object.entries(CARDS)) {
  await fetch(`${origin}${LANGUAGES[language as keyof typeof CARDS]}cards`, {
    method: 'POST',
    body: new URLSearchParams({ author, body }),
  })
}
for (let i = 0; i < 4; i++) await page.locator('iframe').nth(i).contentFrame().getByText('The board is quiet').waitFor()
await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)))
await page.screenshot({ path: 'docs/compare.png' })
await browser.close()
