/** The page's script in apps that were there before: import maps, proxies, strict policies, another Turbo, no Drive. */
import { randomBytes } from 'node:crypto'
import { expect, type Page } from 'playwright/test'
import { turboStream } from '../../backends/typescript/hotcable.ts'
import { type ExistingApp, isMarked, mark, script, serve, TURBO, TURBO_RAILS, test } from './existing-app.ts'

const live = (page: Page) => expect(page.locator('hotcable-status')).toHaveText('live')

/** The page is live, and shows a broadcast once. */
async function expectLive(page: Page, app: ExistingApp): Promise<void> {
  await live(page)
  await app.add('<li>Hello</li>')
  await expect(page.locator('#cards > li')).toHaveText(['Hello'])
  // A second Turbo would show the first message twice, at the latest before it shows the next one.
  await app.add('<li id="last">Last</li>')
  await expect(page.locator('#last')).toBeAttached()
  await expect(page.locator('#cards > li')).toHaveText(['Hello', 'Last'])
}

test('a page loads the script from the origin of the cable, and is live', async ({ app, page, said }) => {
  app.routes.set('GET /', serve(await app.page({})))
  const loaded = page.waitForResponse(/hotcable\.js$/)

  await page.goto(app.origin)

  expect((await loaded).url()).toBe(`${app.cableUrl.replace('ws', 'http')}/hotcable.js`)
  await expectLive(page, app)
  expect(said).toEqual([])
})

test('behind a proxy that passes on only the path of the cable, a page is live', async ({ app, page, said }) => {
  app.routes.set('GET /', serve(await app.page({ url: app.proxiedUrl })))
  const loaded = page.waitForResponse(/hotcable\.js$/)

  await page.goto(app.origin)

  expect((await loaded).url()).toBe(`${app.origin}/cable/hotcable.js`)
  await expectLive(page, app)
  expect(said).toEqual([])
})

const OWN_TURBO =
  '<script type="importmap">{"imports":{"@hotwired/turbo":"/turbo.js"}}</script><script type="module">import "@hotwired/turbo"</script>'
const streams = (app: ExistingApp) => ({ url: `${app.cableUrl.replace('ws', 'http')}/hotcable-streams.js` })

for (const [when, place] of [
  ['before', 'head'],
  ['after', 'body'],
] as const)
  test(`hotcable-streams.js uses the Turbo that a page loads ${when} it by an import map`, async ({
    app,
    page,
    said,
  }) => {
    app.routes.set('GET /turbo.js', script(TURBO))
    app.routes.set('GET /', serve(await app.page({ [place]: OWN_TURBO, script: streams(app) })))

    await page.goto(app.origin)

    await expectLive(page, app)
    expect(said).toEqual([])
  })

test('hotcable-streams.js leaves the streams to @hotwired/turbo-rails, and shows whether they are live', async ({
  app,
  page,
  said,
}) => {
  app.routes.set('GET /turbo.min.js', script(TURBO_RAILS))
  const head = '<script type="module" src="/turbo.min.js"></script>'
  app.routes.set('GET /', serve(await app.page({ head, script: streams(app) })))

  await page.goto(app.origin)

  await expectLive(page, app)
  expect(await page.locator('turbo-cable-stream-source').evaluate(source => 'subscription' in source)).toBe(true)
  expect(said).toEqual([])
})

test('hotcable-streams.js says after 5 s that the page has no Turbo', async ({ app, page, said }) => {
  app.routes.set('GET /', serve(await app.page({ script: streams(app) })))
  await page.clock.install()
  await page.goto(app.origin)
  await expect.poll(() => page.evaluate(() => customElements.get('hotcable-status') !== undefined)).toBe(true)

  await page.clock.fastForward(4000)
  expect(said).toEqual([])
  await page.clock.fastForward(1500)

  await expect.poll(() => said.join()).toMatch(/has waited 5 s for Turbo/)
})

test('hotcable.js on a page with a Turbo warns, and uses that Turbo', async ({ app, page, said }) => {
  app.routes.set('GET /turbo.js', script(TURBO))
  const head = `${OWN_TURBO}<script type="module">window.first = window.Turbo</script>`
  app.routes.set('GET /', serve(await app.page({ head })))

  await page.goto(app.origin)

  await expectLive(page, app)
  expect(await page.evaluate(() => Reflect.get(window, 'first') === window.Turbo)).toBe(true)
  expect(said).toEqual([expect.stringMatching(/has loaded a Turbo already/)])
})

test('hotcable.js warns of a second Turbo that the page loads after it', async ({ app, page, said }) => {
  app.routes.set('GET /turbo.js', script(TURBO))
  app.routes.set('GET /', serve(await app.page({ body: OWN_TURBO })))

  await page.goto(app.origin)

  await live(page)
  await expect.poll(() => said.join()).toMatch(/a second Turbo after hotcable\.js/)
})

test('a strict Content-Security-Policy sees no violation over three Drive visits', async ({ app, page, said }) => {
  for (const path of ['/', '/a', '/b', '/c'])
    app.routes.set(`GET ${path}`, async (request, response) => {
      const nonce = randomBytes(16).toString('base64')
      const head = `<meta name="csp-nonce" content="${nonce}">`
      const body = ['/a', '/b', '/c'].map(to => `<a href="${to}">${to}</a>`).join(' ')
      const html = await app.page({ head, body: `<h1>${path}</h1>${body}`, script: { nonce } })
      const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self' ${new URL(app.cableUrl).origin}; img-src data:; base-uri 'none'`
      await serve(html, { 'content-security-policy': policy })(request, response)
    })
  await page.goto(app.origin)
  await live(page)
  await mark(page)
  // Its stylesheet needs the nonce.
  await page.evaluate(() => void Object.assign(Reflect.get(window.Turbo!.config, 'drive'), { progressBarDelay: 0 }))

  for (const path of ['/a', '/b', '/c']) {
    await page.getByRole('link', { name: path }).click()
    await expect(page.locator('h1')).toHaveText(path)
    await live(page)
  }

  expect(await isMarked(page), 'each visit was Drive’s').toBe(true)
  await expectLive(page, app)
  expect(said).toEqual([])
})

test("without Drive an app's forms, downloads and history stay as they were, and streams work", async ({
  app,
  page,
  said,
}) => {
  let version = 1
  const body = () => `<h1>Version ${version}</h1>
    <form action="/search" method="post"><input name="q"><button>Search</button></form>
    <form action="/save" method="post"><button>Save</button></form>
    <a href="/report">Report</a> <a href="#below">Below</a><p id="below">Below</p>`
  app.routes.set(
    'GET /',
    serve(() => app.page({ body: body(), script: { drive: false } })),
  )
  app.routes.set(
    'POST /search',
    serve(() => app.page({ body: '<h1>Found</h1>', script: { drive: false } })),
  )
  app.routes.set(
    'POST /save',
    (_, response) => void response.writeHead(422, { 'content-type': 'text/html' }).end('<h1>Invalid</h1>'),
  )
  app.routes.set(
    'GET /report',
    (_, response) =>
      void response.writeHead(200, { 'content-disposition': 'attachment; filename="report.csv"' }).end('a,b'),
  )
  await page.goto(app.origin)
  await live(page)

  await page.getByRole('button', { name: 'Search' }).click()
  await expect(page.locator('h1'), 'a form that answers 200').toHaveText('Found')
  await expectLive(page, app)
  await page.goBack()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.locator('h1'), 'a form that answers 422').toHaveText('Invalid')
  expect(said.splice(0).join()).toMatch(/422/)
  await page.goBack()
  await live(page)
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Report' }).click()
  expect((await download).suggestedFilename()).toBe('report.csv')

  await mark(page)
  await page.evaluate(() => void Object.assign(window, { heading: document.querySelector('h1') }))
  const isSamePage = () => page.evaluate(() => (Reflect.get(window, 'heading') as Element).isConnected)
  const fetched: string[] = []
  page.on('request', request => fetched.push(request.url()))
  await page.getByRole('link', { name: 'Below' }).click()
  await page.goBack()
  await page.evaluate(() => history.pushState({ tab: 2 }, '', '?tab=2'))
  await page.goBack()
  await app.add('<li id="after">After</li>')
  await expect(page.locator('#after')).toBeAttached()
  expect(fetched, 'Back asks the app for nothing').toEqual([])
  expect(await isSamePage(), 'Back renders nothing').toBe(true)

  version = 2
  await app.send(turboStream('refresh'))
  await expect(page.locator('h1'), 'a refresh renders the page anew').toHaveText('Version 2')
  expect(await isMarked(page)).toBe(true)
  expect(said).toEqual([])
})
