/**
 * Pages that heal themselves: whatever happens between a page and its cable, the page shows in the end what a fresh
 * render shows, and every card once. With both stock clients, against the real cable, over a network that really breaks.
 */
import { chromium, expect } from 'playwright/test'
import { CLIENTS, card, LANGUAGES, status, streamFrom, token, unique } from './demo.ts'
import { recorded } from './recorder.ts'
import { addCards, expectTrue, look, openTab, type Person, test } from './tab.ts'

/** Each client with a Board of either language; where it is slow, each client with one. */
const PEOPLE: readonly Person[] = CLIENTS.flatMap(client => [
  { client, language: 'typescript' },
  { client, language: 'python' },
])
const FEW: readonly Person[] = [
  { client: 'anycable', language: 'typescript' },
  { client: 'rails', language: 'python' },
]
const who = ({ client, language }: Person): string => `(${client}, ${language})`
const SOCKET = /^\/cable/

for (const person of PEOPLE) {
  test(`a card added between a page's query and its subscription is on the page ${who(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await addCards(stack, mine, 2, 'there before')
    network.freeze(SOCKET)
    await page.goto(`${network.origin}${LANGUAGES[person.language]}?client=${person.client}`)
    await expect.poll(() => network.count(SOCKET)).toBe(1)

    const bodies = await addCards(stack, mine, 3, 'born late')
    expect(await page.locator('#cards > .card').count()).toBe(2)
    network.pass()

    for (const body of bodies) await expect(card(page, body)).toHaveCount(1)
    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
    expect(Object.values((await recorded(page)).added)).toEqual([1, 1, 1, 1, 1, 1])
  })
}

for (const person of PEOPLE) {
  test(`what was broadcast while the network was gone is on the page ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await mine.visit()
    await addCards(stack, mine, 3, 'seen')

    // Written, acknowledged by a kernel, and never seen by the page: the cable believes that these arrived.
    network.freeze()
    await addCards(stack, mine, 20, 'swallowed')
    network.cut()
    await addCards(stack, mine, 40, 'missed')
    network.pass()
    await look(mine)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
    const { added, order } = await recorded(page)
    expect(order).toEqual([...order].sort((a, b) => Number(a.slice(5)) - Number(b.slice(5))))
    // Only a session of the extended protocol is taken up again where it was.
    if (person.client === 'anycable') expect(new Set(Object.values(added))).toEqual(new Set([1]))
  })
}

for (const person of FEW) {
  test(`ten drops in a row lose nothing ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { network } = mine
    await mine.visit()

    for (let drop = 1; drop <= 10; drop++) {
      await addCards(stack, mine, 1, `before drop ${drop}`)
      network.drop()
      await addCards(stack, mine, 1, `after drop ${drop}`)
      await expect(async () => {
        await look(mine)
        await expect.poll(() => network.count(SOCKET), { timeout: 1000 }).toBeGreaterThan(drop)
      }).toPass()
    }

    await expectTrue(stack, mine)
  })

  test(`a connection that breaks before the page's subscription is confirmed is made up for ${who(person)}`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab(person)
    const { page, network } = mine
    network.delay(800)
    await page.goto(`${network.origin}${LANGUAGES[person.language]}?client=${person.client}`)
    await expect.poll(() => stack.cable.listeners(), { intervals: [50] }).toBe(1)

    network.cut()
    await addCards(stack, mine, 3, 'missed')
    network.pass()
    await look(mine)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(1)
  })

  test(`a connection that only looks open is given up, and nothing is lost ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    await mine.visit()

    mine.network.halfOpen()
    await addCards(stack, mine, 3, 'into the void')

    await expectTrue(stack, mine)
    expect(mine.network.count(SOCKET)).toBe(2)
  })

  test(`a page whose cable was killed is true again when it is back ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    await mine.visit()
    await addCards(stack, mine, 2, 'seen')

    await stack.cable.kill()
    await addCards(stack, mine, 3, 'told to nobody')
    await stack.cable.start()
    await look(mine)

    await expectTrue(stack, mine, { timeout: 10_000 })
    expect(mine.fetches()).toBe(2)
  })

  test(`a cable that leaves in order takes nothing with it ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    await mine.visit()

    await stack.cable.kill('SIGTERM')
    await addCards(stack, mine, 1, 'told to nobody')
    await stack.cable.start()

    await expectTrue(stack, mine)
  })

  test(`more than the cable remembers is one refresh, and disturbs nobody ${who(person)}`, async ({ stack, tab }) => {
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
    await look(mine)

    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(2)
    await expect(page.getByLabel('Card', { exact: true })).toHaveValue('half a thou')
    await expect(page.getByLabel('Card', { exact: true })).toBeFocused()
    expect(await page.evaluate(() => window.scrollY)).toBe(top)
  })
}

for (const person of PEOPLE) {
  test(`a page made while the cable is down does not wait for it, and heals ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await stack.cable.kill()
    // It is whole before the cable is back.
    await page.goto(`${network.origin}${LANGUAGES[person.language]}?client=${person.client}`)
    await expect(page.locator('turbo-cable-stream-source')).toHaveAttribute('data-position', '-')
    const [body] = await addCards(stack, mine, 1, 'told to nobody')

    await stack.cable.start()
    await look(mine)

    await expect(card(page, body!)).toHaveCount(1)
    await expectTrue(stack, mine)
    expect(mine.fetches()).toBe(2)
  })
}

for (const person of FEW) {
  test(`a page that is gone back to shows what it missed ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    await addCards(stack, mine, 2, 'seen')
    const elsewhere = person.language === 'python' ? 'TypeScript' : 'Python'
    await page.getByRole('link', { name: elsewhere }).click()
    await expect(page.locator('body')).toHaveAttribute('data-backend', elsewhere.toLowerCase())
    await expect(status(page)).toHaveText('live')
    const [missed] = await addCards(stack, mine, 1, 'while elsewhere')
    await expect(card(page, missed!)).toHaveCount(1)

    await page.goBack()

    await expect(page.locator('body')).toHaveAttribute('data-backend', person.language)
    await expect(card(page, missed!)).toHaveCount(1)
    await expectTrue(stack, mine)
  })

  for (const minutes of [-5, 5]) {
    test(`a browser's clock ${minutes} minutes off loses nothing ${who(person)}`, async ({ stack, tab }) => {
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
      await page.goto(`${network.origin}${LANGUAGES[person.language]}?client=${person.client}`)
      await addCards(stack, mine, 2, 'born late')
      network.pass()
      await expectTrue(stack, mine)

      network.cut()
      await addCards(stack, mine, 3, 'missed')
      network.pass()
      await look(mine)

      await expectTrue(stack, mine)
      expect(mine.fetches()).toBe(1)
    })
  }

  test(`the same stream twice on a page doubles nothing ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page, network } = mine
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      const body = (await response.text()).replace(/<turbo-cable-stream-source.*?<\/turbo-cable-stream-source>/, '$&$&')
      await route.fulfill({ response, body })
    })
    const warnings: string[] = []
    page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
    await mine.visit()
    await expect(page.locator('turbo-cable-stream-source')).toHaveCount(2)
    expect(warnings.filter(text => text.includes('one stream twice'))).toHaveLength(1)
    await expectTrue(stack, mine)

    network.cut()
    await addCards(stack, mine, 2, 'missed')
    network.pass()
    await look(mine)
    await expectTrue(stack, mine)

    await page
      .locator('turbo-cable-stream-source')
      .first()
      .evaluate(source => source.remove())
    await expectTrue(stack, mine)
  })

  test(`a token that expires in an open page is replaced, and nothing is lost ${who(person)}`, async ({
    stack,
    tab,
  }) => {
    await stack.cable.start('--jwt_close_on_expiry')
    const mine = await tab(person)
    const { page } = mine
    let refreshes = 0
    await page.route(/\/(\?.*)?$/, async route => {
      if (route.request().headers()['x-anycable-operation'] === 'token-refresh') refreshes++
      if (route.request().resourceType() !== 'document') return route.continue()
      const response = await route.fetch()
      await route.fulfill({ response, body: (await response.text()).replace(JWT, expiring) })
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

  test(`a card added while a page refreshes itself is on the page ${who(person)}`, async ({ stack, tab }) => {
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

  test(`a page that was frozen catches up when it is thawed ${who(person)}`, async ({ stack, tab }) => {
    const mine = await tab(person)
    const { page } = mine
    await mine.visit()
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })

    await addCards(stack, mine, 5, 'while frozen')
    mine.network.drop()
    await addCards(stack, mine, 5, 'while frozen and cut off')
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await look(mine)

    await expectTrue(stack, mine)
  })

  test(`clicking about fast leaves a true page ${who(person)}`, async ({ stack, tab }) => {
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
  test(`six quick clicks on a page of 60 streams leave all of them alive (${client})`, async ({ stack, tab }) => {
    const mine = await tab({ client, language: 'typescript' })
    const { page } = mine
    const streams = Array.from({ length: 60 }, (_, at) => `list/${at}`)
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      const html = await response.text()
      const [, position] = /data-position="([^"]+)"/.exec(html)!
      const sources = streams.map(stream => streamFrom(stream, position!))
      const body = html.replace('</body>', `<a id="again" href="?client=${client}">again</a>${sources.join('')}</body>`)
      await route.fulfill({ response, body })
    })
    await mine.visit()

    // A person's rhythm: each page comes while the one before is still subscribing.
    await page.evaluate(async () => {
      for (let click = 0; click < 6; click++) {
        document.querySelector<HTMLAnchorElement>('#again')!.click()
        await new Promise(resolve => setTimeout(resolve, 400))
      }
    })
    await expect.poll(mine.fetches).toBe(7)
    // @rails/actioncable repeats what waits for its turn, which waits as well.
    await expect(page.locator('turbo-cable-stream-source[connected]')).toHaveCount(61, { timeout: 40_000 })
    const alive =
      '<turbo-stream action="append" target="cards"><template><li class="alive"></li></template></turbo-stream>'
    await stack.cable.broadcast(streams, alive)

    await expect(page.locator('.alive')).toHaveCount(60)
  })
}

for (const client of CLIENTS) {
  test(`a page that the browser had put aside whole catches up when it is taken out again (${client})`, async ({
    stack,
  }, { project }) => {
    // Playwright switches the back-forward cache off; users have it.
    const browser = await chromium.launch({
      ...project.use.launchOptions,
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
    })
    const { tab, close } = await openTab(browser, stack, { client, language: 'typescript' })
    const { page } = tab
    // The Board's own pages say no-store, and those no browser puts aside once they had a WebSocket.
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      await route.fulfill({ response, headers: { ...response.headers(), 'cache-control': 'no-cache' } })
    })
    await tab.visit()
    await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => Object.assign(window, { persisted })))
    await page.goto(`${tab.network.origin}/health`)
    await addCards(stack, tab, 3, 'while put aside')

    // Not goBack: it waits for a load, which there is none of.
    await page.evaluate(() => void setTimeout(() => history.back()))

    await page.waitForFunction(() => 'persisted' in window && window.persisted === true)
    await expectTrue(stack, tab)
    await close()
    await browser.close()
  })

  test(`a page that comes out of a cache, however old, does not refresh for ever (${client})`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab({ client, language: 'typescript' })
    const { page, network } = mine
    const url = `${network.origin}/?client=${client}`
    const old = await (await fetch(url)).text()
    await stack.cable.kill()
    await stack.cable.start()
    await page.route(/\/(\?.*)?$/, async route => {
      const response = await route.fetch()
      await route.fulfill({ response, body: old })
    })

    await page.addInitScript(() => addEventListener('turbo:render', () => Object.assign(window, { rendered: true })))
    await page.goto(url)
    // What arrives before the refresh is done is undone by it: such a page knows no better than its cache.
    await page.waitForFunction(() => 'rendered' in window)

    for (let round = 0; round < 3; round++) {
      const [body] = await addCards(stack, mine, 1, 'still live')
      await expect(card(page, body!)).toHaveCount(1)
    }
    expect(mine.fetches()).toBe(2)
    await expect(status(page)).toContainText('something may be missing')
  })

  test(`a page whose app is down when its cable comes back stays, and heals later (${client})`, async ({
    stack,
    tab,
  }) => {
    const mine = await tab({ client, language: 'python' })
    const { page } = mine
    await mine.visit()
    const [seen] = await addCards(stack, mine, 1, 'seen')
    await expect(card(page, seen!)).toHaveCount(1)
    await stack.cable.kill()
    const missed = unique('told to nobody')
    await stack.add('typescript', missed)
    await stack.python.kill()

    await stack.cable.start(`--heal_check=${stack.python.url}/health`)
    await look(mine)
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

const JWT = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g

/** The same identity, for three seconds more. */
function expiring(jwt: string): string {
  const { ext } = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString())
  return token({ ext, exp: Math.floor(Date.now() / 1000) + 3 })
}

for (const client of CLIENTS) {
  test(`the stream's element tells what happens to it (${client})`, async ({ stack, tab }) => {
    const mine = await tab({ client, language: 'python' })
    const { page } = mine
    // The opt-in is an attribute of the tag, which a page's author writes.
    await page.route(/\/python\/(\?|$)/, async route => {
      const answer = await route.fetch()
      const body = (await answer.text()).replace('<turbo-cable-stream-source', '<turbo-cable-stream-source data-events')
      await route.fulfill({ response: answer, body })
    })
    await page.addInitScript(() => {
      const told: unknown[] = []
      Object.assign(window, { told })
      for (const name of ['connected', 'disconnected', 'rejected', 'resumed', 'gap'])
        addEventListener(`hotcable:${name}`, event => told.push([name, (event as CustomEvent).detail]))
    })
    const told = () => page.evaluate(() => (window as unknown as { told: [string, object][] }).told.splice(0))
    await mine.visit()
    expect(await told()).toEqual([['connected', { reconnected: false }]])

    mine.network.cut()
    await addCards(stack, mine, 3, 'meanwhile')
    mine.network.pass()
    await look(mine)
    await expectTrue(stack, mine)
    expect(await told()).toEqual([
      ['disconnected', { reconnect: true }],
      ['connected', { reconnected: true }],
      ['resumed', { messages: 3 }],
    ])

    await stack.cable.kill()
    await stack.cable.start()
    await look(mine)
    await expectTrue(stack, mine, { timeout: 30_000 })
    const gaps = (await told()).filter(([name]) => name === 'gap')
    expect(gaps).toEqual([['gap', expect.objectContaining({ refresh: 'coming', code: 'gap_restarted' })]])
  })
}
