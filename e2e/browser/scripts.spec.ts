/** The scripts under /assets on pages that are not the Board's, and on lists that the Board never renders. */
import { isDeepStrictEqual } from 'node:util'
import type { Page } from 'playwright/test'
import { expect } from 'playwright/test'
import { CLIENTS, fires, streamFrom, test, token } from './demo.ts'

// The browser counts a page that a test serves as public, and lets a public page load from localhost only with permission.
test.use({ permissions: ['local-network-access'] })

const SCRIPTS = { anycable: 'hotcable', rails: 'rails' } as const

/** Opens a page with this script and body. */
async function open(page: Page, script: string, body: string): Promise<void> {
  await page.route('**/elsewhere', route =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!DOCTYPE html><title>Elsewhere</title><script type="module" src="/assets/${script}.js"></script>${body}`,
    }),
  )
  await page.goto('/elsewhere', { waitUntil: 'load' })
}

const item = (id: string) => `<li class="card" id="card_${id}">${id}</li>`
const ids = (page: Page) => page.locator('#cards > li').evaluateAll(cards => cards.map(({ id }) => id.slice(5)))

for (const client of CLIENTS) {
  test(`a client's script leaves the page of another app as it is (${client})`, async ({ page }) => {
    const body = `<ul id="cards">${item('9f3a')}${item('77bc')}</ul><b id="card-count">mine</b>
      <form class="add" action="/health"><input name="body" value="typed"><input id="card-author"><button>Go</button></form>`
    await open(page, SCRIPTS[client], body)
    await page.evaluate(() => {
      localStorage.setItem('hotcable-author', 'Ada')
      document.querySelector('#cards')!.insertAdjacentHTML('beforeend', '<li class="card" id="card_1">1</li>')
    })

    // The page answers, after all observers have run.
    expect(await page.evaluate(() => new Promise(then => setTimeout(() => then('alive'), 50)))).toBe('alive')
    expect(await ids(page)).toEqual(['9f3a', '77bc', '1'])
    await expect(page.locator('#card-count')).toHaveText('mine')
    await expect(page.locator('#card-author')).toHaveValue('')
    expect(await page.evaluate(() => window.Turbo!.config.forms.submitter)).not.toBe('aria-disabled')
  })
}

test("the Board's script puts an added card in its place in a list of any ids, and stops", async ({ page }) => {
  await page.addInitScript(countMoves)
  await open(page, 'board', `<ul id="cards">${['5', '77bc', '9f3a'].map(item).join('')}</ul><b id="card-count"></b>`)
  await expect(page.locator('#card-count')).toHaveText('3 cards')

  for (const id of ['77bb', '4', '10', 'NaN', 'ffff'])
    await page.locator('#cards').evaluate((list, html) => list.insertAdjacentHTML('beforeend', html), item(id))

  await expect(page.locator('#card-count')).toHaveText('8 cards')
  expect(await ids(page)).toEqual(['4', '5', '10', 'NaN', '77bb', '77bc', '9f3a', 'ffff'])
  // All cards but the last came too late, and the script moved each once.
  expect(await page.evaluate(() => Reflect.get(window, 'moves'))).toBe(4)
})

/** The moves of cards, which alone use these two methods. */
function countMoves(): void {
  Object.assign(window, { moves: 0 })
  for (const name of ['before', 'after'] as const) {
    const move = Element.prototype[name]
    Element.prototype[name] = function (...nodes) {
      Object.assign(window, { moves: Number(Reflect.get(window, 'moves')) + 1 })
      move.apply(this, nodes)
    }
  }
}

test('the script does as little work for a change on a long list as on a short one', async ({ page }) => {
  await page.addInitScript(countCalls)
  const costs: number[][] = []
  for (const length of [100, 400]) {
    const list = Array.from({ length }, (_, at) =>
      item(String(1000 + at)).replace('</li>', '<b class="votes">0</b></li>'),
    )
    await open(page, 'board', `<ul id="cards">${list.join('')}</ul><b id="card-count"></b>`)
    await expect(page.locator('#card-count')).toHaveText(`${length} cards`)

    costs.push([
      await cost(page, list => list.insertAdjacentHTML('beforeend', '<li class="card" id="card_9000">new</li>')),
      await cost(page, list => list.insertAdjacentHTML('beforeend', '<li class="card" id="card_8999">late</li>')),
      await cost(page, list => list.querySelector('#card_1007 .votes')!.replaceChildren('1')),
      await cost(page, list => list.querySelector('#card_1008')!.remove()),
    ])
  }

  expect(costs[1]).toEqual(costs[0])
})

for (const client of CLIENTS) {
  test(`hotcable-status.js does as little work for a change on a long page as on a short one (${client})`, async ({
    page,
    baseURL,
  }) => {
    await page.addInitScript(countCalls)
    const pill = page.locator('hotcable-status')
    const add = (stream: string) =>
      page.locator('body').evaluate((body, html) => body.insertAdjacentHTML('beforeend', html), sourceOf(stream))
    const pages = [
      { length: 100, streams: 1, costs: [] as number[][] },
      { length: 400, streams: 1, costs: [] as number[][] },
      { length: 400, streams: 8, costs: [] as number[][] },
    ]
    const usual = () =>
      pages.map(({ costs }) => costs[0]!.map((_, change) => medianOf(costs.map(page => page[change]!)))) as [
        number[],
        number[],
        number[],
      ]
    const isEven = () => isDeepStrictEqual(usual()[0], usual()[1])
    // At least three pages each, and their median: one may connect in another order, and then a change costs a call more or less.
    for (let round = 0; round < 3 || (round < 9 && !isEven()); round++)
      for (const { length, streams, costs } of pages) {
        const list = Array.from({ length }, (_, at) => item(String(1000 + at)))
        await open(
          page,
          SCRIPTS[client],
          `${metas(baseURL!)}<hotcable-status></hotcable-status><ul id="cards">${list.join('')}</ul>`,
        )
        for (let stream = 1; stream <= streams; stream++) await add(`s${stream}`)
        await expect(page.locator('turbo-cable-stream-source[connected]')).toHaveCount(streams)
        await expect(pill).toHaveText('live')
        // The timer that looks for clients which attach late has rung.
        await page.evaluate(() => new Promise(then => setTimeout(then, 1000)))

        costs.push([
          await leastCost(page, list => list.insertAdjacentHTML('beforeend', '<li><b>new</b></li>')),
          await leastCost(page, list => list.children[7]!.replaceChildren('changed')),
          await leastCost(page, list => list.children[8]!.remove()),
          await leastCost(page, () =>
            document.querySelector('turbo-cable-stream-source')!.setAttribute('connected', ''),
          ),
          await leastCost(page, () => document.querySelector('hotcable-status')!.replaceChildren()),
        ])
        const words = await pill.evaluate(async pill => {
          pill.replaceChildren()
          await Promise.resolve()
          return pill.textContent
        })
        expect(words, 'an empty status is filled at once').toBe('live')
        await fires(page, 'hotcable:connected', () => add('late'))
        await page.locator('turbo-cable-stream-source').evaluateAll(sources => {
          for (const source of sources) source.remove()
        })
        await expect(pill, 'no source is left').toBeHidden()
      }

    const [short, long, many] = usual()
    expect(long).toEqual(short)
    expect(many.slice(0, 3), 'only a change of a source makes the script read other sources').toEqual(short.slice(0, 3))
  })
}

/** HTML for either client. */
function metas(origin: string): string {
  const url = `${origin.replace('http', 'ws')}/cable`
  const jid = token({ ext: '{}', exp: Math.floor(Date.now() / 1000) + 3600 })
  return `<meta name="cable-url" content="${url}"><meta name="cable-token" content="${jid}">
    <meta name="action-cable-url" content="${url}?jid=${jid}">`
}

/** Without a position, because the cable would not know it. */
const sourceOf = (stream: string) => streamFrom(stream, '').replace(' data-position=""', '')

/** How much of the DOM the script reads because of one change. */
const cost = (page: Page, change: (list: Element) => void): Promise<number> =>
  page.evaluate(async source => {
    const change = new Function(`return ${source}`)() as (list: Element) => void
    const list = document.getElementById('cards')!
    const calls = () => Number(Reflect.get(window, 'calls'))
    const from = calls()
    change(list)
    const own = calls() - from
    await new Promise(then => setTimeout(then, 50))
    return calls() - from - own
  }, change.toString())

/** The least cost of five such changes: a timer or a ping may come during some of them. */
async function leastCost(page: Page, change: (list: Element) => void): Promise<number> {
  let least = Infinity
  for (let times = 0; times < 5; times++) least = Math.min(least, await cost(page, change))
  return least
}

/**
 * Counts the calls of every method and getter of the DOM, the children that collections hand out, and the elements that a
 * search may look at: all below its root, but for a search by id, for which browsers have an index.
 */
function countCalls(): void {
  Object.assign(window, { calls: 0 })
  const counted = <T extends (...args: never[]) => unknown>(call: T, all: ParentNode['querySelectorAll']): T =>
    function (this: unknown, ...args: never[]) {
      const result = Reflect.apply(call, this, args)
      const isSearch = /^(querySelector|getElementsBy)/.test(call.name) && !/#[^\s>]+$/.test(String(args[0]))
      const looked = isSearch ? Reflect.apply(all, this, ['*']) : result
      const more = looked instanceof HTMLCollection || looked instanceof NodeList ? looked.length : 0
      Object.assign(window, { calls: Number(Reflect.get(window, 'calls')) + 1 + more })
      return result
    } as unknown as T
  for (const { prototype } of [Node, Element, HTMLElement, Document]) {
    const { querySelectorAll: all } = prototype as Partial<ParentNode> as ParentNode
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === 'constructor' || !property.configurable) continue
      if (typeof property.value === 'function') property.value = counted(property.value, all)
      if (property.get) property.get = counted(property.get, all)
      Object.defineProperty(prototype, name, property)
    }
  }
}

const medianOf = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)]!
