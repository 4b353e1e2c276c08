/** Pages that heal: a change between the render of a page and its subscription is on the page, once. */
import { expect } from 'playwright/test'
import { card, look, unique } from '../demo.ts'
import { recorded } from '../recorder.ts'
import { addCards, expectTrue, FEW, label, PEOPLE, SOCKET, test } from '../tab.ts'

for (const person of PEOPLE) {
  test(`a card added between a page's query and its subscription is on the page ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await addCards(stack, mine, 2, 'there before')
    network.freeze(SOCKET)
    await mine.open()
    await expect.poll(() => network.count(SOCKET)).toBe(1)

    const bodies = await addCards(stack, mine, 3, 'born late')
    expect(await page.locator('#cards > .card').count()).toBe(2)
    network.pass()

    for (const body of bodies) await expect(card(page, body)).toHaveCount(1)
    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
    expect(Object.values((await recorded(page)).added)).toEqual([1, 1, 1, 1, 1, 1])
  })

  test(`a page that loads while the cable is down does not wait for it, and heals ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    const { page } = mine
    await stack.cable.kill()
    // The page loads before the cable is back.
    await mine.open()
    await expect(page.locator('turbo-cable-stream-source')).toHaveAttribute('data-position', '-')
    const [body] = await addCards(stack, mine, 1, 'while the cable was down')

    await stack.cable.start()
    await look(mine.page)

    await expect(card(page, body!)).toHaveCount(1)
    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(2)
  })
}

for (const person of FEW) {
  test(`a page loses nothing when its connection breaks before the confirmation of its subscription ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    const { network } = mine
    network.delay(800)
    await mine.open()
    await expect.poll(() => stack.cable.listeners(), { intervals: [50] }).toBe(1)

    network.cut()
    await addCards(stack, mine, 3, 'missed')
    network.pass()
    await look(mine.page)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
  })

  test(`a card added while a page refreshes itself is on the page ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    const [, , shown] = await addCards(stack, mine, 3, 'cleared')
    await expect(card(page, shown!)).toHaveCount(1)
    const body = unique('in between')
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      await stack.add(person.language, body)
      await expect(card(page, body)).toHaveCount(1)
      await route.fulfill({ response })
    })

    await stack.clear()

    await expect(page.locator('#cards > .card > .body')).toHaveText([body])
    await expectTrue(stack, mine)
  })
}
