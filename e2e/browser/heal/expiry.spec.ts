/** Pages that heal: the clock of a browser is off, or the token of a page expires. */
import { expect } from 'playwright/test'
import { look, token } from '../demo.ts'
import { addCards, expectTrue, FEW, label, rewrite, SOCKET, test } from '../tab.ts'

for (const person of FEW) {
  for (const minutes of [-5, 5]) {
    test(`a page whose clock is ${minutes} minutes off loses nothing ${label(person)}`, async ({ stack, tab }) => {
      const mine = await tab(person)
      const { page, network } = mine
      await page.addInitScript(shift => {
        const { now } = Date
        const shifted = () => now() + shift
        globalThis.Date = new Proxy(Date, {
          construct: (date, parts) => Reflect.construct(date, parts.length === 0 ? [shifted()] : parts),
          get: (date, key) => (key === 'now' ? shifted : Reflect.get(date, key)),
        })
      }, minutes * 60_000)
      network.freeze(SOCKET)
      await mine.open()
      await addCards(stack, mine, 2, 'born late')
      network.pass()
      await expectTrue(stack, mine)

      network.cut()
      await addCards(stack, mine, 3, 'missed')
      network.pass()
      await look(mine.page)

      await expectTrue(stack, mine)
      expect(mine.fetches()).toBe(1)
    })
  }

  test(`an open page replaces a token that expires, and loses nothing ${label(person)}`, async ({ stack, tab }) => {
    await stack.cable.start('--jwt_close_on_expiry')
    const mine = await tab(person)
    const { page } = mine
    let refreshes = 0
    await rewrite(page, html => html.replace(JWT, expiring), 'document')
    page.on('request', request => {
      if (request.headers()['x-anycable-operation'] === 'token-refresh') refreshes++
    })
    await mine.visit()
    const ended = page.waitForRequest(request => request.headers()['x-anycable-operation'] === 'token-refresh')

    await addCards(stack, mine, 3, 'before')
    await ended
    await addCards(stack, mine, 3, 'after')

    await expectTrue(stack, mine)
    expect(refreshes).toBe(1)
    expect(mine.fetches()).toBe(1)
  })
}

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g

/** A token for the same identity that expires in three seconds. */
function expiring(jwt: string): string {
  const { ext } = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
  return token({ ext, exp: Math.floor(Date.now() / 1000) + 3 })
}
