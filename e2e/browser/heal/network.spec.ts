/** Pages that heal: the network between a page and its cable breaks, and the page shows each card once. */
import { expect } from 'playwright/test'
import { look } from '../demo.ts'
import { recorded } from '../recorder.ts'
import { addCards, expectTrue, FEW, label, PEOPLE, SOCKET, test } from '../tab.ts'

for (const person of PEOPLE) {
  test(`a page shows what was broadcast while its network was gone ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await mine.visit()
    await addCards(stack, mine, 3, 'seen')

    // A kernel acknowledges these cards and the page never gets them, so the cable believes that they arrived.
    network.freeze()
    await addCards(stack, mine, 20, 'swallowed')
    network.cut()
    await addCards(stack, mine, 40, 'missed')
    network.pass()
    await look(mine.page)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
    const { added, order } = await recorded(page)
    expect(order).toEqual([...order].sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))))
    // Only the extended protocol resumes a session where it was.
    if (person.client === 'anycable') expect(new Set(Object.values(added))).toEqual(new Set([1]))
  })
}

for (const person of FEW) {
  test(`a page loses nothing in ten drops in a row ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { network } = mine
    await mine.visit()

    for (let drop = 1; drop <= 10; drop++) {
      await addCards(stack, mine, 1, `before drop ${drop}`)
      network.drop()
      await addCards(stack, mine, 1, `after drop ${drop}`)
      await expect(async () => {
        await look(mine.page)
        await expect.poll(() => network.count(SOCKET), { timeout: 1000 }).toBeGreaterThan(drop)
      }).toPass()
    }

    await expectTrue(stack, mine)
  })

  test(`a page replaces a connection that only looks open, and loses nothing ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    await mine.visit()

    mine.network.halfOpen()
    await addCards(stack, mine, 3, 'into the void')

    await expectTrue(stack, mine)
    expect(mine.network.count(SOCKET)).toBe(2)
  })

  test(`a page that missed more than the cable remembers refreshes once, and keeps its scroll position and its input ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    await stack.cable.start('--history_limit=5')
    const mine = await tab(person)
    const { page, network } = mine
    await addCards(stack, mine, 40, 'a long list')
    await mine.visit()
    await page.getByLabel('Card', { exact: true }).pressSequentially('half a thou')
    await page.evaluate(() => window.scrollTo({ top: 700, behavior: 'instant' }))
    const top = await page.evaluate(() => window.scrollY)
    expect(top).toBeGreaterThan(300)

    network.cut()
    await addCards(stack, mine, 30, 'too many')
    network.pass()
    await look(mine.page)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(2)
    await expect(page.getByLabel('Card', { exact: true })).toHaveValue('half a thou')
    await expect(page.getByLabel('Card', { exact: true })).toBeFocused()
    expect(await page.evaluate(() => window.scrollY)).toBe(top)
  })
}
