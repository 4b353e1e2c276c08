/**
 * The page that makes a change gets it once, as the answer to its form; every other page gets it as a broadcast. The page is right
 * in the end, even if the answer is late, cut off or lost.
 */
import { expect, type Page, type Request, type Route } from 'playwright/test'
import { createProxy } from '../../testing/proxy.ts'
import {
  addCard,
  answered,
  CLIENTS,
  card,
  clearBoard,
  deleteCard,
  LANGUAGES,
  languages,
  openBoard,
  status,
  test,
  unique,
} from './demo.ts'
import { record, recorded } from './recorder.ts'

test.beforeEach(async ({ baseURL }) => {
  await fetch(`${baseURL}/clear`, { method: 'POST', redirect: 'manual' })
})

for (const client of CLIENTS) {
  for (const language of languages) {
    // AnyCable's client says which session a form is from; @hotwired/turbo-rails does not.
    const isExcluded = client === 'anycable'
    const times = isExcluded ? 'once' : 'twice without harm'

    test(`a page gets its own changes ${times}, in ${language} (${client})`, async ({ browser, visit }) => {
      const page = await (await browser.newContext()).newPage()
      await record(page)
      const [frames, loads] = [streamFrames(page), pageLoads(page, language)]
      await openBoard(page, language, client)
      const seeing = await visit('typescript')
      const [stays, goes] = [unique('stays'), unique('goes')]
      const streams = frames()

      for (const body of [stays, goes]) {
        await answered(page, () => addCard(page, body))
        await expect(card(page, body)).toHaveCount(1)
      }
      await answered(page, () => vote(page, stays))
      await expect(votes(page, stays)).toHaveText('1')
      await answered(page, () => deleteCard(card(page, goes)))
      await expect(card(page, goes)).toHaveCount(0)
      await expect(page.locator('#card-count')).toHaveText('1 card')
      await expect(votes(seeing, stays)).toHaveText('1')
      await expect(card(seeing, goes)).toHaveCount(0)
      // This broadcast comes after all others, also on the page that made them.
      await addCard(seeing, unique('of another'))
      await expect(page.locator('#card-count')).toHaveText('2 cards')

      expect(frames() - streams).toBe(isExcluded ? 1 : 5)
      expect(loads()).toBe(1)
      const { added, doubled } = await recorded(page)
      expect(doubled).toEqual([])
      if (isExcluded) expect(Object.values(added)).toEqual([1, 1, 1])
      await clearBoard(page)
      for (const each of [page, seeing]) await expect(each.locator('#card-count')).toHaveText('0 cards')
      await page.context().close()
    })
  }

  test(`a page is right after an answer that is cut off within its stream (${client})`, async ({
    browser,
    baseURL,
  }) => {
    const network = await createProxy(Number(new URL(baseURL!).port))
    const page = await (await browser.newContext()).newPage()
    await page.goto(`${network.origin}/?client=${client}`)
    await expect(status(page)).toHaveText('live')
    const body = unique('half an answer')

    network.cutAfter('<turbo-stream action="append"')
    await answered(page, () => addCard(page, body))

    await expect(card(page, body)).toHaveCount(1)
    await expect(page.getByLabel('Card', { exact: true })).toHaveValue('')
    await expect(status(page)).toHaveText('live')
    await page.context().close()
    await network.close()
  })

  test(`a page is right after the answer to its form is lost (${client})`, async ({ visit }) => {
    const page = await visit('typescript', client)
    await page.route(
      '**/cards',
      async route => {
        await route.fetch({ maxRedirects: 0 })
        await route.abort('connectionreset')
      },
      { times: 1 },
    )
    const body = unique('no answer')

    await addCard(page, body)

    await expect(card(page, body)).toHaveCount(1)
    await expect(card(page, body)).toHaveAttribute('data-own', '')
    await expect(page.getByLabel('Card', { exact: true })).toHaveValue('')
    await expect(status(page)).toHaveText('live')
  })

  test(`a form that never arrives keeps its text, and can be sent again (${client})`, async ({ visit }) => {
    const page = await visit('typescript', client)
    await page.route('**/cards', route => route.abort('connectionreset'), { times: 1 })
    const body = unique('sent again')
    const field = page.getByLabel('Card', { exact: true })

    await answered(page, () => addCard(page, body))
    await expect(status(page)).toHaveText('live')
    await expect(field).toHaveValue(body)
    await page.getByRole('button', { name: 'Add' }).click()

    await expect(card(page, body)).toHaveCount(1)
    await expect(field).toHaveValue('')
  })

  test(`a change that is committed after its answer was lost still appears (${client})`, async ({ visit }) => {
    const page = await visit('typescript', client)
    const loads = pageLoads(page, 'typescript')
    const lost = new Promise<Request>(resolve => {
      const drop = async (route: Route) => {
        await route.abort('connectionreset')
        resolve(route.request())
      }
      void page.route('**/cards', drop, { times: 1 })
    })
    const body = unique('committed late')
    await addCard(page, body)
    const request = await lost
    await expect.poll(loads).toBe(1)
    await expect(status(page)).toHaveText('live')
    expect(await card(page, body).count()).toBe(0)

    // What a slow Board does after the connection of the form is gone.
    const { status: code } = await fetch(request.url(), {
      method: 'POST',
      headers: await request.allHeaders().then(passable),
      body: request.postData(),
      redirect: 'manual',
    })

    expect(code).toBe(200)
    await expect(card(page, body)).toHaveCount(1)
  })

  test(`an answer does not replace newer votes (${client})`, async ({ visit }) => {
    const [page, other] = [await visit('typescript', client), await visit('python')]
    const body = unique('voted on twice')
    await answered(page, () => addCard(page, body))
    const hold = await holdAnswers(page, '**/vote')

    await vote(page, body)
    await hold.received
    await vote(other, body)
    await expect(votes(other, body)).toHaveText('2')
    await expect(votes(page, body)).toHaveText('2')
    await answered(page, hold.release)
    const next = unique('next')
    await addCard(other, next)
    await expect(card(page, next)).toHaveCount(1)

    await expect(status(page)).toHaveText('live')
    await expect(votes(page, body)).toHaveText('2')
  })

  test(`an answer does not bring back a card that was deleted meanwhile (${client})`, async ({ visit }) => {
    const [page, other] = [await visit('typescript', client), await visit('python')]
    const loads = pageLoads(page, 'typescript')
    const body = unique('short life')
    const hold = await holdAnswers(page, '**/cards')

    await addCard(page, body)
    await hold.received
    await deleteCard(card(other, body))
    const next = unique('next')
    await addCard(other, next)
    await expect(card(page, next)).toHaveCount(1)
    await answered(page, hold.release)

    await expect.poll(loads).toBe(1)
    await expect(status(page)).toHaveText('live')
    await expect(card(page, body)).toHaveCount(0)
  })

  test(`a vote that is cancelled by the next one counts on its own page too (${client})`, async ({ visit }) => {
    const page = await visit('typescript', client)
    const [first, second] = [unique('first'), unique('second')]
    for (const body of [first, second]) await answered(page, () => addCard(page, body))
    const hold = await holdAnswers(page, '**/vote')

    await vote(page, first)
    await hold.received
    await answered(page, () => vote(page, second))
    hold.release()

    for (const body of [first, second]) await expect(votes(page, body)).toHaveText('1')
    await expect(status(page)).toHaveText('live')
  })

  test(`a card that is added right after the Board was cleared is alone (${client})`, async ({ visit }) => {
    const [page, other] = [await visit('typescript', client), await visit('python')]
    await answered(page, () => addCard(page, unique('old')))
    const body = unique('new')
    await page.getByLabel('Name').fill('Ada')
    await page.getByLabel('Card', { exact: true }).fill(body)

    await answered(page, () => clearBoard(page))
    await page.getByRole('button', { name: 'Add' }).click()

    for (const each of [page, other]) {
      await expect(card(each, body)).toHaveCount(1)
      await expect(each.locator('#card-count')).toHaveText('1 card')
    }
    await expect(status(page)).toHaveText('live')
  })
}

const vote = (page: Page, body: string) => card(page, body).getByRole('button', { name: 'Vote' }).click()
const votes = (page: Page, body: string) => card(page, body).locator('.votes')

/** How many messages with Turbo streams the page has received. */
function streamFrames(page: Page): () => number {
  let frames = 0
  page.on('websocket', socket =>
    socket.on('framereceived', ({ payload }) => {
      // Rails escapes <.
      if (/(?:<|\\u003c)turbo-stream /.test(String(payload))) frames++
    }),
  )
  return () => frames
}

/** How often the page was fetched so far. */
function pageLoads(page: Page, language: keyof typeof LANGUAGES): () => number {
  let loads = 0
  page.on('request', request => {
    const { pathname } = new URL(request.url())
    if (request.method() === 'GET' && pathname === LANGUAGES[language]) loads++
  })
  return () => loads
}

/** Keeps the next answer from the page, which it is for; `received` resolves once the Board has answered. */
async function holdAnswers(
  page: Page,
  url: string,
): Promise<{ received: Promise<void>; release: () => Promise<void> }> {
  const [got, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  await page.route(
    url,
    async route => {
      const response = await route.fetch({ maxRedirects: 0 })
      got.resolve()
      await gate.promise
      // The page may have cancelled its form.
      await route.fulfill({ response }).catch(() => {})
    },
    { times: 1 },
  )
  return { received: got.promise, release: async () => gate.resolve() }
}

/** Without the headers that belong to a connection. */
const passable = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(:|host$|connection$|content-length$|sec-|accept-enc)/.test(name)),
  )
