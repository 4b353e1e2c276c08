/** The user of a connection: a page connects with its first stream, anew for another user, and closes when the user signs out. */
import type { Page } from 'playwright/test'
import { CLIENTS, status, unique } from '../demo.ts'
import { expect, type Site, test } from '../site.ts'
import type { Script } from '../site-scripts.ts'

const FORM = (action: string) => `<form action="${action}" method="post"><button>${action.slice(1)}</button></form>`

/** Records what the page does with its sockets, in order. */
const SOCKETS = `<script>
  window.sockets = []
  window.WebSocket = class extends WebSocket {
    number = sockets.filter(each => each.startsWith('open')).push('')
    constructor(...parts) { super(...parts); sockets.push('open ' + this.number) }
    close(...parts) { sockets.push('close ' + this.number); super.close(...parts) }
  }
</script>`

/** An app with sessions; every page of its layout has the client's script. */
function app(site: Site, client: Script): void {
  let user = ''
  // Tokens differ at each render.
  let ttl = 3600
  const page = (body: string) =>
    user === ''
      ? site.page(client, `<h1>Nobody</h1>${FORM('/ada')}${FORM('/bob')}`, {
          head: SOCKETS,
          streams: [],
          identity: undefined,
        })
      : site.page(client, `<h1>${user}</h1>${body}${FORM('/bob')}${FORM('/out')}`, {
          head: SOCKETS,
          identity: { id: user },
          ttl: ++ttl,
        })
  site.on('/', () => page('<a href="/">again</a>'))
  for (const [path, id] of [
    ['/ada', 'ada'],
    ['/bob', 'bob'],
    ['/out', ''],
  ] as const) {
    site.on(path, () => {
      user = id
      return { status: 303, headers: { location: '/' } }
    })
  }
}

const sockets = (page: Page) => page.evaluate(() => [...new Set(Reflect.get(window, 'sockets'))])
const connections = (site: Site) => site.visitors.map(({ identity, isOpen }) => `${identity} ${isOpen}`)
const press = (page: Page, name: string) => page.getByRole('button', { name }).click()
const heading = (page: Page, name: string) => expect(page.getByRole('heading')).toHaveText(name)

/** The page's stream is subscribed, once. */
async function expectNews(site: Site, page: Page, stream = 'news'): Promise<void> {
  await site.broadcast(
    stream,
    '<turbo-stream action="append" targets="body"><template><i>new</i></template></turbo-stream>',
  )
  await expect(page.locator('i')).toHaveText(['new'])
}

for (const client of [...CLIENTS, 'old'] as const) {
  test(`a page connects after a user signs in through Turbo, and a page without a stream does not (${client})`, async ({
    site,
    open,
  }) => {
    app(site, client)
    const page = await open('/')
    await heading(page, 'Nobody')
    await expect(status(page)).toBeHidden()
    expect(site.visitors).toEqual([])

    await press(page, 'ada')

    await heading(page, 'ada')
    await expect(status(page)).toHaveText('live')
    expect(site.visitors).toEqual([{ identity: 'ada', isOpen: true }])
  })

  test(`a page opens another connection for another user, and closes the one before (${client})`, async ({
    site,
    open,
  }) => {
    app(site, client)
    const page = await open('/')
    await press(page, 'ada')
    await expect(status(page)).toHaveText('live')

    await page.getByRole('link', { name: 'again' }).click()
    await heading(page, 'ada')
    await expect(status(page)).toHaveText('live')
    expect(site.visitors.length, 'tokens differ at each render').toBe(1)
    await press(page, 'bob')

    await heading(page, 'bob')
    await expect.poll(() => connections(site)).toEqual(['ada false', 'bob true'])
    expect(await sockets(page)).toEqual(['open 1', 'close 1', 'open 2'])
    await expect(status(page)).toHaveText('live')
    await expectNews(site, page)
  })

  test(`a page closes its connection when the user signs out, and opens one when the user signs in (${client})`, async ({
    site,
    open,
  }) => {
    app(site, client)
    const page = await open('/')
    await press(page, 'ada')
    await expect(status(page)).toHaveText('live')

    await press(page, 'out')

    await heading(page, 'Nobody')
    await expect.poll(() => site.visitors).toEqual([{ identity: 'ada', isOpen: false }])
    await press(page, 'bob')
    await heading(page, 'bob')
    await expect(status(page)).toHaveText('live')
    expect(site.visitors.map(({ identity }) => identity)).toEqual(['ada', 'bob'])
  })

  test(`a stream that stays in the page moves to the connection of the new user (${client})`, async ({
    site,
    open,
  }) => {
    app(site, client)
    const page = await open('/')
    await press(page, 'ada')
    await expect(status(page)).toHaveText('live')
    const source = page.locator('turbo-cable-stream-source')
    await source.evaluate(source => source.setAttribute('data-turbo-permanent', ''))
    const html = await source.evaluate(source => source.outerHTML)
    site.on('/', () => site.page(client, `<h1>bob</h1>${html}`, { identity: { id: 'bob' }, streams: [] }))

    await press(page, 'bob')

    await heading(page, 'bob')
    await expect(status(page)).toHaveText('live')
    expect(site.visitors.map(({ identity }) => identity)).toEqual(['ada', 'bob'])
    await expectNews(site, page)
  })

  test(`a stream that a morph keeps moves to the connection of the new user (${client})`, async ({ site, open }) => {
    // Without a position the client asks for all messages of the second in which it connects.
    // So no other test may use this stream.
    const stream = unique('kept')
    const source = (await site.source(stream)).replace(/ id="[^"]*" data-position="[^"]*"/, '')
    let user = 'ada'
    const page = () => site.page(client, `<h1>${user}</h1>${source}`, { identity: { id: user }, streams: [] })
    site.on('/', page)
    const tab = await open('/')
    await expect(status(tab)).toHaveText('live')
    await tab.locator('turbo-cable-stream-source').evaluate(source => Object.assign(window, { source }))

    user = 'bob'
    await tab.evaluate("Turbo.session.refresh(location.href, { method: 'morph' })")

    await heading(tab, 'bob')
    await expect.poll(() => connections(site)).toEqual(['ada false', 'bob true'])
    await expect(status(tab)).toHaveText('live')
    await expectNews(site, tab, stream)
    expect(await tab.evaluate(() => Reflect.get(window, 'source').isConnected)).toBe(true)
  })

  test(`a preview of another user's page does not change the connection (${client})`, async ({ site, open }) => {
    let user = 'ada'
    const page = (link: string) => () =>
      site.page(client, `<h1>${user}</h1><a href="${link}">next</a>`, { identity: { id: user } })
    site.on('/', page('/next'))
    site.on('/next', page('/'))
    const tab = await open('/')
    await expect(status(tab)).toHaveText('live')
    // In another tab.
    user = 'bob'
    await tab.getByRole('link').click()
    await heading(tab, 'bob')
    await expect(status(tab)).toHaveText('live')
    await tab.evaluate(() =>
      addEventListener('turbo:render', () => {
        const isPreview = document.documentElement.hasAttribute('data-turbo-preview')
        if (isPreview) Object.assign(window, { previewed: document.querySelector('h1')?.textContent })
      }),
    )

    await tab.getByRole('link').click()

    await expect.poll(() => site.asked('/').length).toBe(2)
    await heading(tab, 'bob')
    await expect(status(tab)).toHaveText('live')
    expect(await tab.evaluate(() => Reflect.get(window, 'previewed'))).toBe('ada')
    expect(connections(site)).toEqual(['ada false', 'bob true'])
  })
}
