/** Pages that heal: a visitor clicks links faster than a page subscribes. */
import { expect } from 'playwright/test'
import { CLIENTS, streamFrom } from '../demo.ts'
import { addCards, expectTrue, FEW, label, rewrite, test } from '../tab.ts'

for (const person of FEW) {
  test(`a page is complete after many fast clicks on links ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    const home = person.language === 'python' ? 'Python' : 'TypeScript'

    for (let round = 0; round < 3; round++) {
      for (const name of ['TypeScript', 'Python', 'TypeScript', 'Python']) {
        await page.getByRole('link', { name }).click({ noWaitAfter: true })
        await addCards(stack, mine, 1, `on the way to ${name}`)
      }
    }
    await page.getByRole('link', { name: home }).click()

    await expect(page.locator('body')).toHaveAttribute('data-backend', person.language)
    await expectTrue(stack, mine)
    await expect.poll(() => stack.cable.listeners()).toBe(1)
  })
}

for (const client of CLIENTS) {
  test(`six quick clicks on a page of 60 streams leave each of them live (${client})`, async ({ stack, tab }) => {
    const mine = await tab({ client, language: 'typescript' })
    const { page } = mine
    const streams = Array.from({ length: 60 }, (_, at) => `list/${at}`)
    await rewrite(page, html => {
      const [, position] = /data-position="([^"]+)"/.exec(html)!
      const sources = streams.map(stream => streamFrom(stream, position!))
      return html.replace('</body>', `<a id="again" href="?client=${client}">again</a>${sources.join('')}</body>`)
    })
    await mine.visit()

    // A visitor's rhythm: each page loads while the last one is still subscribing.
    await page.evaluate(async () => {
      for (let click = 0; click < 6; click++) {
        document.querySelector<HTMLAnchorElement>('#again')!.click()
        await new Promise(resolve => setTimeout(resolve, 400))
      }
    })
    await expect.poll(mine.fetches).toBe(7)
    // @rails/actioncable repeats commands that still wait for their turn, and the repeats wait as well.
    await expect(page.locator('turbo-cable-stream-source[connected]')).toHaveCount(61, { timeout: 40_000 })
    const alive =
      '<turbo-stream action="append" target="cards"><template><li class="alive"></li></template></turbo-stream>'
    await stack.cable.broadcast(streams, alive)

    await expect(page.locator('.alive')).toHaveCount(60)
  })
}
