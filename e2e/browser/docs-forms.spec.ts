/** docs/forms.md: its app, with two visitors. */
import { type BrowserContext, expect, type Page } from 'playwright/test'
import { isMarked, mark } from './demo.ts'
import { DJANGO, LARAVEL, type PageApp, test } from './page-app.ts'

const PAGE = 'docs/forms.md'
const notes = (page: Page) => page.locator('#notes > li > span')

async function visit(context: BrowserContext, origin: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  await expect(page.locator('hotcable-status')).toHaveText('live')
  await mark(page)
  return page
}

async function add(page: Page, body: string): Promise<void> {
  await page.getByLabel('Note').fill(body)
  await page.getByRole('button', { name: 'Add' }).click()
}

test('a form is answered with tags, its page shows the change once, and a refused form with its errors', async ({
  start,
  browser,
}) => {
  const { origin } = await start(PAGE, 'In Django', DJANGO)
  const [writer, reader] = [
    await visit(await browser.newContext(), origin),
    await visit(await browser.newContext(), origin),
  ]

  await add(writer, '<b>One</b>')
  await expect(notes(writer)).toHaveText(['<b>One</b>'])
  await expect(writer.getByLabel('Note')).toHaveValue('')
  await expect(notes(reader)).toHaveText(['<b>One</b>'])
  await add(writer, 'x'.repeat(81))
  await expect(writer.getByText('Write 1 to 80 characters.')).toBeVisible()
  await expect(writer.getByLabel('Note')).toHaveValue('x'.repeat(81))
  await add(writer, 'Two')

  for (const page of [writer, reader]) {
    await expect(notes(page)).toHaveText(['<b>One</b>', 'Two'])
    expect(await isMarked(page), 'no page was loaded anew').toBe(true)
  }
  await expect(writer.getByText('Write 1 to 80 characters.')).toHaveCount(0)
})

for (const drive of [true, false])
  test(`a button that a broadcast brought passes the CSRF check of its reader (Drive ${drive ? 'on' : 'off, data-turbo'})`, async ({
    start,
    browser,
  }) => {
    const { origin } = await start(PAGE, 'In Django', DJANGO)
    const [writer, reader] = [
      await visit(await browser.newContext(), origin),
      await visit(await browser.newContext(), origin),
    ]
    await add(writer, 'One')
    await expect(notes(reader)).toHaveText(['One'])
    await expect(reader.locator('#notes input')).toHaveCount(0)
    if (!drive)
      await reader.evaluate(() => {
        Object.assign(Reflect.get(window.Turbo!, 'session'), { drive: false })
        document.querySelector('#notes')!.setAttribute('data-turbo', 'true')
      })

    await reader.getByRole('button', { name: 'Delete' }).click()

    for (const page of [reader, writer]) {
      await expect(notes(page)).toHaveCount(0)
      expect(await isMarked(page)).toBe(true)
    }
  })

test('without JavaScript the same forms work', async ({ start, browser }) => {
  const { origin } = await start(PAGE, 'In Django', DJANGO)
  const page = await browser.newPage({ javaScriptEnabled: false })
  await page.goto(origin)

  await add(page, ' ')
  await expect(page.getByText('Write 1 to 80 characters.')).toBeVisible()
  await add(page, 'One')
  await expect(page).toHaveURL(`${origin}/`)
  await page.getByRole('button', { name: 'Delete' }).click()

  await expect(page).toHaveURL(`${origin}/`)
  await expect(notes(page)).toHaveCount(0)
})

/** The cookies and the token of a new visitor. */
async function visitor({ process }: PageApp): Promise<{ cookie: string; token: string }> {
  const { headers, body } = await process.ask('/')
  const cookie = (headers['set-cookie'] ?? []).map(each => each.split(';')[0]).join('; ')
  return { cookie, token: /(?:name="csrf-token" content|name="_token" value)="([^"]+)"/.exec(body)![1]! }
}

for (const [name, page, heading, framework, path, field, refused] of [
  ['Django', PAGE, 'In Django', DJANGO, '/notes', 'csrfmiddlewaretoken', 403],
  ['Laravel', 'backends/recipes.md', 'Laravel', LARAVEL, '/cards', '_token', 419],
] as const)
  test(`${name} refuses the token of another visitor, and takes the reader's from X-CSRF-Token`, async ({ start }) => {
    const app = await start(page, heading, framework)
    const [writer, reader] = [await visitor(app), await visitor(app)]
    const post = async (fields: Record<string, string>, headers: Record<string, string>) =>
      (await app.process.post(path, { body: 'One', ...fields }, { cookie: reader.cookie, ...headers })).status

    expect(await post({ [field]: writer.token }, {})).toBe(refused)
    expect(await post({}, { 'x-csrf-token': writer.token })).toBe(refused)
    expect(await post({}, { 'x-csrf-token': reader.token })).toBe(303)
  })
