/** Whose connection it is: made with the first stream, anew for another user, closed when the user signs out. */
import type { Page } from 'playwright/test'
import { CLIENTS, status } from './demo.ts'
import { expect, type Site, test } from './site.ts'
import type { Script } from './site-scripts.ts'

const FORM = (action: string) => `<form action="${action}" method="post"><button>${action.slice(1)}</button></form>`

/** An app with sessions, in whose layout every page has the client's script. */
function app(site: Site, client: Script): void {
  let user = ''
  const page = (body: string) =>
    user === ''
      ? site.page(client, `<h1>Nobody</h1>${FORM('/ada')}${FORM('/bob')}`, { streams: [], identity: undefined })
      : site.page(client, `<h1>${user}</h1>${body}${FORM('/bob')}${FORM('/out')}`, { identity: { id: user } })
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

const press = (page: Page, name: string) => page.getByRole('button', { name }).click()
const heading = (page: Page, name: string) => expect(page.getByRole('heading')).toHaveText(name)

for (const client of [...CLIENTS, 'old'] as const) {
  test(`a page that is signed in by Turbo connects, and a page without a stream does not (${client})`, async ({
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

  test(`another user has another connection, and the one before is closed (${client})`, async ({ site, open }) => {
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
    await expect
      .poll(() => site.visitors.map(({ identity, isOpen }) => `${identity} ${isOpen}`))
      .toEqual(['ada false', 'bob true'])
    await expect(status(page)).toHaveText('live')
    await site.broadcast(
      'news',
      '<turbo-stream action="append" targets="body"><template><i>new</i></template></turbo-stream>',
    )
    await expect(page.locator('i')).toHaveText(['new'])
  })

  test(`signing out closes the connection, and signing in opens one (${client})`, async ({ site, open }) => {
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

  test(`a stream that stays in the page goes with its user (${client})`, async ({ site, open }) => {
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
    await site.broadcast(
      'news',
      '<turbo-stream action="append" targets="body"><template><i>new</i></template></turbo-stream>',
    )
    await expect(page.locator('i')).toHaveText(['new'])
  })
}
