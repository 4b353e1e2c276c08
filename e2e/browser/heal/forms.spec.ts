/**
 * The cable's own refresh and the visitor's work: a form in flight arrives, and no typed text is lost.
 */
import { CLIENTS, fires, status } from '../demo.ts'
import { expect, hear, look, miss, renders, type SiteRequest, serveCounted, test } from '../site.ts'

/** Resolves when it is opened. */
function gate(): { open: () => void; opened: Promise<void> } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { open, opened }
}

const ORDER = '<form action="/order" method="post"><input name="words"><button>Send</button></form>'

for (const client of CLIENTS) {
  for (const [about, end, answer] of [
    ['is dropped when the answer rendered the page', 'Thanks', { status: 303, headers: { location: '/thanks' } }],
    ['follows an answer that rendered nothing', '2', { status: 204 }],
  ] as const) {
    test(`a refresh waits for a form in flight, and ${about} (${client})`, async ({ site, open }) => {
      serveCounted(site, client, ORDER)
      const paid = gate()
      site.on('/order', async () => {
        await paid.opened
        return answer
      })
      site.on('/thanks', () => site.page(client, '<p id="renders">Thanks</p>'))
      const page = await open('/')
      await expect(status(page)).toHaveText('live')
      await page.locator('[name=words]').fill('one of each')
      await page.getByRole('button', { name: 'Send' }).click()
      await expect.poll(() => site.asked('/order').length).toBe(1)

      await miss(site)
      await look(page)
      await hear(site, page)
      await expect(status(page)).toHaveText('catching up')
      await expect(page.locator('[name=words]')).toHaveValue('one of each')
      expect(site.asked('/').length).toBe(1)
      paid.open()

      await expect(renders(page)).toHaveText(end)
      await expect(status(page)).toHaveText('live')
      expect(site.asked('/order').map(({ body }: SiteRequest) => body)).toEqual(['words=one+of+each'])
      expect(site.asked('/').length).toBe(end === 'Thanks' ? 1 : 2)
    })
  }

  test(`a form whose answer is lost refreshes its page, which gets another session (${client})`, async ({
    site,
    open,
  }) => {
    serveCounted(site, client, ORDER)
    site.on('/order', () => ({ status: 204 }))
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    const sent = new Promise<string | undefined>(resolve => {
      void page.route(
        '**/order',
        async route => {
          resolve(route.request().headers()['x-socket-id'])
          await route.abort('connectionreset')
        },
        { times: 1 },
      )
    })
    await page.locator('[name=words]').fill('one of each')

    await page.getByRole('button', { name: 'Send' }).click()

    await expect(renders(page)).toHaveText('2')
    await expect(page.locator('[name=words]')).toHaveValue('one of each')
    await hear(site, page)
    await expect(status(page)).toHaveText('live')
    const lost = await sent
    await page.getByRole('button', { name: 'Send' }).click()
    await expect.poll(() => site.asked('/order').length).toBe(1)
    const next = site.asked('/order')[0]?.headers['x-socket-id']
    if (client === 'anycable') expect(next).toMatch(/./)
    else expect([lost, next]).toEqual([undefined, undefined])
    expect(next === undefined || next !== lost).toBe(true)
  })

  test(`a form whose answer is lost leaves a page without streams alone (${client})`, async ({ site, open }) => {
    const renders = serveCounted(site, client, ORDER, '/', { streams: [] })
    const page = await open('/')
    await page.clock.install()
    await page.locator('[name=words]').fill('one of each')
    await page.route('**/order', route => route.abort('connectionreset'), { times: 1 })
    await fires(page, 'turbo:submit-end', () => page.getByRole('button', { name: 'Send' }).click())

    await page.clock.runFor(60_000)
    await page.evaluate(() => fetch('/later'))

    expect(renders()).toBe(1)
  })

  test(`a refresh leaves alone a page that shows a refused form (${client})`, async ({ site, open }) => {
    serveCounted(site, client, ORDER)
    const again = ORDER.replace('<input', '<b>Too short</b><input value="x"')
    site.on('/order', async () => ({ status: 422, body: await site.page(client, again) }))
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    await page.locator('[name=words]').fill('x')
    await page.getByRole('button', { name: 'Send' }).click()
    await expect(page.locator('b')).toHaveText('Too short')
    await expect(status(page)).toHaveText('live')

    await miss(site)
    await look(page)

    await expect(status(page)).toContainText('something may be missing')
    await expect(page.locator('b')).toHaveText('Too short')
    await status(page).getByRole('button', { name: 'Reload' }).click()
    await expect(renders(page)).toHaveText('2')
    await expect(status(page)).toHaveText('live')
  })

  test(`typed text, checks and open details survive the cable's refresh (${client})`, async ({ site, open }) => {
    serveCounted(
      site,
      client,
      `<form action="/save"><input name="title" value="old"><textarea name="text"></textarea><select name="size"><option>S<option>L</select>
<input type="checkbox" name="gift"><input type="radio" name="how" value="air"><input type="hidden" name="version" value="1">
<input name="untouched" value="old"></form>
<div contenteditable id="note">note</div><details><summary>More</summary>…</details><dialog>Sure?</dialog>`,
    )
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    await page.locator('[name=title]').fill('new')
    await page.locator('[name=text]').fill('half a thought')
    await page.locator('[name=size]').selectOption('L')
    await page.locator('[name=gift]').check()
    await page.locator('[name=how]').check()
    await page.locator('#note').fill('written')
    await page.locator('summary').click()
    await page.locator('dialog').evaluate((dialog: HTMLDialogElement) => dialog.show())
    await page.locator('[name=version]').evaluate((input: HTMLInputElement) => Object.assign(input, { value: '9' }))
    await page.locator('[name=text]').focus()

    await miss(site)
    await look(page)
    await expect(renders(page)).toHaveText('2')

    await expect(page.locator('[name=title]')).toHaveValue('new')
    await expect(page.locator('[name=text]')).toHaveValue('half a thought')
    await expect(page.locator('[name=text]')).toBeFocused()
    await expect(page.locator('[name=size]')).toHaveValue('L')
    await expect(page.locator('[name=gift]')).toBeChecked()
    await expect(page.locator('[name=how]')).toBeChecked()
    await expect(page.locator('#note')).toHaveText('written')
    await expect(page.locator('details')).toHaveAttribute('open')
    await expect(page.locator('dialog')).toBeVisible()
    await expect(page.locator('[name=version]')).toHaveValue('1')
    await expect(page.locator('[name=untouched]')).toHaveValue('old')
    await expect(status(page)).toHaveText('live')
  })

  test(`a submitted form is empty after the cable's refresh (${client})`, async ({ site, open }) => {
    serveCounted(site, client, ORDER)
    site.on('/order', () => ({ status: 204 }))
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    await page.locator('[name=words]').fill('sent')
    await page.getByRole('button', { name: 'Send' }).click()
    await expect.poll(() => site.asked('/order').length).toBe(1)

    await miss(site)
    await look(page)

    await expect(renders(page)).toHaveText('2')
    await expect(page.locator('[name=words]')).toHaveValue('')
  })

  test(`typed words stay with their form when the page changes the order of its forms (${client})`, async ({
    site,
    open,
  }) => {
    let rows = ['7', '8']
    site.on('/', async () =>
      site.page(
        client,
        `<p id="renders">${rows.length}</p>${rows.map(id => `<form action="/cards/${id}"><input name="words"></form>`).join('')}`,
      ),
    )
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    await page.locator('[action="/cards/8"] input').fill('for eight')
    rows = ['6', '7', '8']

    await miss(site)
    await look(page)

    await expect(renders(page)).toHaveText('3')
    const words = page.getByRole('textbox')
    await expect(words).toHaveCount(3)
    expect(await words.evaluateAll(inputs => inputs.map(input => (input as HTMLInputElement).value))).toEqual([
      '',
      '',
      'for eight',
    ])
  })
}
