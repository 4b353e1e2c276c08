/** docs/streaming-answer.md: its app, over a network that breaks in the middle of an answer. */
import { expect } from 'playwright/test'
import { isMarked, mark } from './demo.ts'
import { FLASK, test } from './page-app.ts'

for (const [when, isAway] of [
  ['for a moment', false],
  ['until after the end', true],
] as const)
  test(`the answer of docs/streaming-answer.md is whole on a page that lost its network ${when}`, async ({
    start,
    page,
  }) => {
    const { origin, network, process } = await start('docs/streaming-answer.md', 'In Flask', FLASK)
    await page.goto(origin)
    await page.locator('input').fill('<b>Why?</b>')
    await page.getByRole('button', { name: 'Ask' }).click()
    const article = page.locator('article')
    await expect(article).toContainText('<b>Why?</b> I say one word')
    await expect(page.locator('hotcable-status')).toHaveText('live')
    await mark(page)
    const stored = async () => /<article.*<\/article>/.exec((await process.ask(new URL(page.url()).pathname)).body)?.[0]

    if (isAway) network.cut()
    else network.drop()
    await expect.poll(stored).toMatch(/aria-busy="false".*and this is the end\./)
    if (isAway) await expect(article).not.toContainText('and this is the end.')
    network.pass()

    await expect(article).toHaveAttribute('aria-busy', 'false')
    expect(await article.evaluate(({ outerHTML }) => outerHTML)).toBe(await stored())
    expect(await isMarked(page)).toBe(true)
  })
