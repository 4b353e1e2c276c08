/** The apps of docs/after-commit.md, docs/streams.md and docs/presence.md. */
import { type BrowserContext, expect, type Page } from 'playwright/test'
import { broadcast, turboStream } from '../../backends/typescript/hotcable.ts'
import { isMarked, mark } from './demo.ts'
import { DJANGO, FLASK, type PageApp, test } from './page-app.ts'

const status = (page: Page) => page.locator('hotcable-status')

async function visit(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(url)
  await expect(status(page)).toHaveText('live')
  await mark(page)
  return page
}

const send = ({ cable }: PageApp, stream: string, html: string) =>
  broadcast(stream, html, { url: cable.broadcast, key: cable.key })

test('pages hear of a change after its commit, and never of one that was rolled back', async ({ start, browser }) => {
  const app = await start('docs/after-commit.md', 'In Django', DJANGO)
  const [writer, reader] = [
    await visit(await browser.newContext(), app.origin),
    await visit(await browser.newContext(), app.origin),
  ]
  // Whether the data is there when the page hears of it.
  await reader.evaluate(() => {
    const seen: string[] = []
    Object.assign(window, { seen })
    new MutationObserver(async ([change]) => {
      const html = await (await fetch('/')).text()
      const added = change!.addedNodes[0] as Element
      seen.push(html.includes(added.outerHTML) ? 'stored' : 'missing')
    }).observe(document.querySelector('#cards')!, { childList: true })
  })
  const cards = (page: Page) => page.locator('#cards > li')

  for (const body of ['One', 'Two', 'Three']) {
    await writer.getByLabel('Card').fill(body)
    await writer.getByRole('button', { name: 'Add' }).click()
    await expect(cards(reader).last()).toHaveText(body)
    // The answer brings the card, and an empty field with it.
    await expect(cards(writer).last()).toHaveText(body)
    await expect(writer.getByLabel('Card')).toHaveValue('')
  }
  await writer.getByLabel('Card').fill('Four')
  await writer.getByRole('button', { name: 'Add' }).click()
  await expect(writer.locator('body')).toHaveText('The board is full.')
  await send(app, 'cards', turboStream('append', 'cards', '<li id="last">Last</li>'))

  await expect(reader.locator('#last')).toBeAttached()
  await expect(cards(reader)).toHaveText(['One', 'Two', 'Three', 'Last'])
  expect(await reader.evaluate(() => Reflect.get(window, 'seen').slice(0, 3))).toEqual(['stored', 'stored', 'stored'])
  await reader.reload()
  await expect(cards(reader)).toHaveText(['One', 'Two', 'Three'])
})

async function logIn(context: BrowserContext, origin: string, user: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  await page.getByLabel('Name').fill(user)
  await page.getByRole('button', { name: 'Log in' }).click()
  await expect(status(page)).toHaveText('live')
  await mark(page)
  return page
}

test('a refresh skips its author, and a removed member hears nothing of the team', async ({ start, browser }) => {
  const app = await start('docs/streams.md', 'In Flask', FLASK)
  const [ada, bob] = [
    await logIn(await browser.newContext(), app.origin, 'ada'),
    await logIn(await browser.newContext(), app.origin, 'bob'),
  ]
  const notes = (page: Page) => page.locator('#notes > li')
  const source = bob.locator('turbo-cable-stream-source').first()
  const name = (await source.getAttribute('signed-stream-name'))!
  let renders = 0
  ada.on('request', request => {
    if (request.method() === 'GET' && new URL(request.url()).pathname === '/') renders++
  })

  await ada.getByLabel('Note').fill('One')
  await ada.getByRole('button', { name: 'Add' }).click()
  await expect(notes(bob)).toHaveText(['One'])
  await expect(notes(ada)).toHaveText(['One'])
  expect(await isMarked(bob)).toBe(true)
  // Ada's page has had the refresh once it shows what came after it.
  await send(app, 'user/ada', turboStream('update', 'notice', 'after the refresh'))
  await expect(ada.locator('#notice')).toHaveText('after the refresh')
  expect(renders, 'the redirect alone').toBe(1)

  await ada.getByRole('button', { name: 'Remove bob' }).click()
  await expect(bob.locator('body')).toContainText('You are not in this team.')
  // The answer empties the field.
  await expect(ada.getByRole('button', { name: 'Remove bob' })).toHaveCount(0)
  const token = (await bob.locator('meta[name="cable-token"]').getAttribute('content'))!
  const old = await listen(app, token, name)
  await ada.getByLabel('Note').fill('Two')
  await ada.getByRole('button', { name: 'Add' }).click()
  await expect(notes(ada)).toHaveText(['One', 'Two'])
  await send(app, 'team/1/0', 'the old name')

  await expect.poll(() => old.messages).toEqual(['the old name'])
  old.close()
})

/** Subscribes to a copied name, as any program that has the name can. */
async function listen({ cable }: PageApp, token: string, name: string) {
  const identifier = JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: name })
  const socket = new WebSocket(cable.url, ['actioncable-v1-json', `anycable-token.${token}`])
  const messages: string[] = []
  await new Promise<void>(then => {
    socket.onmessage = ({ data }) => {
      const { type, message } = JSON.parse(data)
      if (type === 'welcome') socket.send(JSON.stringify({ command: 'subscribe', identifier }))
      if (type === 'confirm_subscription') then()
      if (type === undefined) messages.push(message)
    }
  })
  return { messages, close: () => socket.close() }
}

test('logging out ends the connections of all tabs of the user, and of no other user', async ({ start, browser }) => {
  const app = await start('docs/streams.md', 'In Flask', FLASK)
  const context = await browser.newContext()
  const first = await logIn(context, app.origin, 'ada')
  const second = await visit(context, app.origin)
  const bob = await logIn(await browser.newContext(), app.origin, 'bob')

  await first.getByRole('button', { name: 'Log out' }).click()

  await expect(first.getByLabel('Name')).toBeVisible()
  await expect(status(second)).not.toHaveText('live')
  await second.reload()
  await expect(second.getByLabel('Name')).toBeVisible()
  await send(app, 'user/bob', turboStream('update', 'notice', 'still here'))
  await expect(bob.locator('#notice')).toHaveText('still here')
  await expect(status(bob)).toHaveText('live')
})

test('a page shows the users that are here, each once, until their last page closes', async ({ start, browser }) => {
  const { origin, network } = await start('docs/presence.md', 'In Flask', FLASK)
  const context = await browser.newContext()
  const here = (page: Page) => page.locator('#here')
  const ada = await visit(context, `${origin}/?user=1`)
  await expect(here(ada)).toHaveText('User 1')

  const bob = await visit(context, `${origin}/?user=<b>2`)
  const again = await visit(context, `${origin}/?user=<b>2`)
  for (const page of [ada, bob, again]) await expect(here(page)).toHaveText('User 1, User <b>2')
  await again.close({ runBeforeUnload: true })
  const carl = await visit(context, `${origin}/?user=3`)
  for (const page of [ada, bob]) await expect(here(page)).toHaveText('User 1, User 3, User <b>2')
  await bob.goto('about:blank')
  for (const page of [ada, carl]) await expect(here(page)).toHaveText('User 1, User 3')

  network.drop()
  const dora = await visit(context, `${origin}/?user=4`)
  for (const page of [ada, carl, dora]) await expect(here(page)).toHaveText('User 1, User 3, User 4')
})
