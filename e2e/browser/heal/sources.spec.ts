/** Pages that heal: the element of a stream, twice on one page, and the events that it dispatches. */
import { expect } from 'playwright/test'
import { CLIENTS, look } from '../demo.ts'
import { addCards, expectTrue, FEW, label, rewrite, test } from '../tab.ts'

for (const person of FEW) {
  test(`a page with two sources for one stream shows each card once ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await rewrite(page, html => html.replace(/<turbo-cable-stream-source.*?<\/turbo-cable-stream-source>/, '$&$&'))
    const warnings: string[] = []
    page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
    await mine.visit()
    await expect(page.locator('turbo-cable-stream-source')).toHaveCount(2)
    expect(warnings.filter(text => text.includes('one stream twice'))).toHaveLength(1)
    await expectTrue(stack, mine)

    network.cut()
    await addCards(stack, mine, 2, 'missed')
    network.pass()
    await look(mine.page)
    await expectTrue(stack, mine)

    await page
      .locator('turbo-cable-stream-source')
      .first()
      .evaluate(source => source.remove())
    await expectTrue(stack, mine)
  })
}

for (const client of CLIENTS) {
  test(`the stream's element dispatches an event for each change (${client})`, async ({ stack, tab }) => {
    const mine = await tab({ client, language: 'python' })
    const { page } = mine
    await rewrite(page, html => html.replace('<turbo-cable-stream-source', '<turbo-cable-stream-source data-events'))
    await page.addInitScript(() => {
      const events: unknown[] = []
      Object.assign(window, { events })
      for (const name of ['connected', 'disconnected', 'rejected', 'resumed', 'gap'])
        addEventListener(`hotcable:${name}`, event => events.push([name, (event as CustomEvent).detail]))
    })
    const events = () => page.evaluate(() => (window as unknown as { events: [string, object][] }).events.splice(0))
    await mine.visit()
    expect(await events()).toEqual([['connected', { reconnected: false }]])

    mine.network.cut()
    await addCards(stack, mine, 3, 'meanwhile')
    mine.network.pass()
    await look(mine.page)
    await expectTrue(stack, mine)
    expect(await events()).toEqual([
      ['disconnected', { reconnect: true }],
      ['connected', { reconnected: true }],
      ['resumed', { messages: 3 }],
    ])

    await stack.cable.kill()
    await stack.cable.start()
    await look(mine.page)
    await expectTrue(stack, mine, { timeout: 30_000 })
    const gaps = (await events()).filter(([name]) => name === 'gap')
    expect(gaps).toEqual([['gap', expect.objectContaining({ refresh: 'coming', code: 'gap_restarted' })]])
  })
}
