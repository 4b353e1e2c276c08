/** Pages that heal: the cable of an open page ends, properly or not, and starts again, with its app or without. */
import { expect } from 'playwright/test'
import { CLIENTS, card, look, status, unique } from '../demo.ts'
import { addCards, expectTrue, FEW, label, test } from '../tab.ts'

for (const person of FEW) {
  test(`a page is complete again after its cable was killed and started again ${label(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    await mine.visit()
    await addCards(stack, mine, 2, 'seen')

    await stack.cable.kill()
    await addCards(stack, mine, 3, 'while the cable was down')
    await stack.cable.start()
    await look(mine.page)

    await expectTrue(stack, mine, { timeout: 10_000 })
    expect(mine.fetches()).toBe(2)
  })

  test(`a page loses nothing when its cable shuts down properly ${label(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    await mine.visit()

    await stack.cable.kill('SIGTERM')
    await addCards(stack, mine, 1, 'while the cable was down')
    await stack.cable.start()

    await expectTrue(stack, mine)
  })
}

for (const client of CLIENTS) {
  test(`a page stays while its cable is back and its app is down, and heals later (${client})`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab({ client, language: 'python' })
    const { page } = mine
    await mine.visit()
    const [seen] = await addCards(stack, mine, 1, 'seen')
    await expect(card(page, seen!)).toHaveCount(1)
    await stack.cable.kill()
    const missed = unique('while the cable was down')
    await stack.add('typescript', missed)
    await stack.python.kill()

    await stack.cable.start(`--heal_check=${stack.python.url}/health`)
    await look(mine.page)
    await expect.poll(() => stack.cable.listeners()).toBe(1)

    const live = unique('live again')
    await stack.add('typescript', live)
    await expect(card(page, live)).toHaveCount(1)
    await expect(card(page, seen!)).toHaveCount(1)
    await expect(status(page)).toHaveText('catching up')
    expect(mine.fetches()).toBe(1)

    await stack.python.start()
    await expect(card(page, missed)).toHaveCount(1)
    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(2)
  })
}
