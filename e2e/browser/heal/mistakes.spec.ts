/** Mistakes that break nothing at once: the console names each once, with its fix. */
import type { Page } from 'playwright/test'
import { CLIENTS, status } from '../demo.ts'
import { expect, type Site, test } from '../site.ts'

const append = (target: string, text: string) =>
  `<turbo-stream action="append" ${target}><template><li id="${text}">${text}</li></template></turbo-stream>`

/** The warnings of hotcable-status.js on a page that a visitor opens now. */
async function visit(site: Site, page: Page): Promise<string[]> {
  const warnings: string[] = []
  page.on('console', message => {
    if (message.type() === 'warning' && message.text().startsWith('hotcable: ')) warnings.push(message.text())
  })
  await page.goto(`${site.origin}/`)
  return warnings
}

test.beforeEach(({ site }) => site.on('/before', () => ''))

for (const client of CLIENTS) {
  test(`with --dev the console names a target that is not on the page, once (${client})`, async ({ site, open }) => {
    site.on('/', () => site.page(client, '<ul id="list"></ul>'))
    const page = await open('/before')
    const warnings = await visit(site, page)
    await expect(status(page)).toHaveText('live')

    for (const text of ['one', 'two'])
      await site.broadcast('news', append('target="lost"', text) + append('target="list"', text))
    await site.broadcast('news', append('targets=".lost"', 'three'))
    await site.broadcast('news', append('target="list"', 'four') + append('target="four"', 'five'))

    await expect(page.locator('#four > #five')).toBeVisible()
    await expect.poll(() => warnings.length).toBe(2)
    expect(warnings[0]).toContain('a stream for #lost did nothing')
    expect(warnings[1]).toContain('a stream for .lost did nothing')
  })

  test(`without --dev the console names no mistake (${client})`, async ({ site, open }) => {
    await site.cable.start('--dev=false')
    const source = async () => (await site.source('more')).replace(/ data-position="[^"]*"/, '')
    site.on('/', async () => site.page(client, `<ul id="list"></ul>${await source()}`))
    const page = await open('/before')
    const warnings = await visit(site, page)
    await expect(status(page)).toHaveText('live')

    await site.broadcast('news', append('target="lost"', 'one') + append('target="list"', 'two'))
    await expect(page.locator('#two')).toBeVisible()
    // Of two timers of the same length, the one that was set later rings later.
    await page.evaluate(() => new Promise(resolve => setTimeout(resolve, 200)))

    expect(warnings).toEqual([])
  })

  test(`with --dev the console names a position that is missing, empty or unknown, each once (${client})`, async ({
    site,
    open,
  }) => {
    const replaced = async (stream: string, position: string) =>
      (await site.source(stream)).replace(/ id="[^"]*" data-position="[^"]*"/, position)
    site.on('/', async () => {
      const positions = ['', ' data-position=""', ' data-position="-"', ' data-position="-"']
      const sources = await Promise.all(positions.map((position, at) => replaced(`s${at}`, position)))
      return site.page(client, sources.join(''))
    })
    const page = await open('/before')
    const warnings = await visit(site, page)

    await expect.poll(() => warnings.length).toBe(3)
    for (const [at, words] of ['no data-position', 'the data-position ""', 'the position "-"'].entries())
      expect(warnings[at]).toContain(words)
  })

  test(`the console names the meta tags that a page with streams lacks (${client})`, async ({ site, open }) => {
    site.on('/', () => site.page(client, '', { identity: undefined }))
    const page = await open('/before')
    const warnings = await visit(site, page)

    await expect.poll(() => warnings).toHaveLength(1)
    expect(warnings[0]).toContain('no meta tag cable-url and no cable-token: put what meta_tags(identity) returns')
  })

  test(`the console names a cable URL that begins with http (${client})`, async ({ site, open }) => {
    site.on('/', async () => (await site.page(client, '')).replaceAll('"ws:', '"http:'))
    const page = await open('/before')
    const warnings = await visit(site, page)

    await expect.poll(() => warnings).toHaveLength(1)
    expect(warnings[0]).toContain('begins with ws:// or wss://')
  })
}
