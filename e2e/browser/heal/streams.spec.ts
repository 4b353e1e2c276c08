/** The streams of a page: some refused by a limit, and some that miss messages because of their place in the page. */
import { CLIENTS, status } from '../demo.ts'
import { expect, test } from '../site.ts'

for (const client of CLIENTS) {
  test(`a page subscribes again, when there is room, to a stream that a limit refused (${client})`, async ({
    site,
    open,
  }) => {
    await site.cable.start('--max_subscriptions=1')
    site.on('/', () => site.page(client, '<ul></ul>', { streams: ['one', 'two', 'three'] }))
    const page = await open('/')
    await expect(status(page)).toHaveText('refused: subscriptions_limit')

    await page
      .locator('turbo-cable-stream-source')
      .first()
      .evaluate(source => source.remove())

    await expect(status(page)).toHaveText('live', { timeout: 30_000 })
    for (const stream of ['two', 'three'])
      await site.broadcast(
        stream,
        `<turbo-stream action="append" targets="ul"><template><li>${stream}</li></template></turbo-stream>`,
      )
    await expect(page.getByRole('listitem')).toHaveText(['two', 'three'])
  })

  test(`sixty streams are all alive after six clicks on a link to the same page (${client})`, async ({
    site,
    open,
  }) => {
    const streams = Array.from({ length: 60 }, (_, at) => `s${at}`)
    let renders = 0
    site.on('/', () => site.page(client, `<h1>${++renders}</h1><a href="/">again</a><ul></ul>`, { streams }))
    const page = await open('/')
    await expect(status(page)).toHaveText('live', { timeout: 30_000 })

    for (let click = 2; click <= 7; click++) {
      await page.getByRole('link').click()
      await expect(page.getByRole('heading')).toHaveText(String(click))
    }

    await expect(status(page)).toHaveText('live', { timeout: 45_000 })
    for (const stream of streams)
      await site.broadcast(
        stream,
        `<turbo-stream action="append" targets="ul"><template><li>${stream}</li></template></turbo-stream>`,
      )
    await expect(page.getByRole('listitem')).toHaveText(streams)
  })

  test(`the console names streams that miss messages because of their place in the page (${client})`, async ({
    site,
    open,
  }) => {
    const source = await site.source('news')
    site.on('/', () =>
      site.page(
        client,
        `<div id="live" data-turbo-permanent>${source}</div><turbo-frame id="f" src="/frame"></turbo-frame>
<turbo-frame id="g" src="/whole"></turbo-frame>`,
        { streams: [] },
      ),
    )
    site.on('/frame', () => '<turbo-frame id="f"><ul id="in-frame"></ul></turbo-frame>')
    site.on(
      '/whole',
      async () => `<turbo-frame id="g">${await site.source('more')}<ul id="in-whole"></ul></turbo-frame>`,
    )
    site.on('/before', () => '<h1>Before</h1>')
    const page = await open('/before')
    const warnings: string[] = []
    page.on('console', message => message.type() === 'warning' && warnings.push(message.text()))
    await page.goto(`${site.origin}/`)
    await expect(status(page)).toHaveText('live')
    const add = (target: string) =>
      `<turbo-stream action="append" target="${target}"><template><li>new</li></template></turbo-stream>`
    await site.broadcast('news', add('in-frame') + add('in-frame'))
    await site.broadcast('more', add('in-whole'))
    await expect(page.getByRole('listitem')).toHaveText(['new', 'new', 'new'])

    expect(warnings.filter(text => text.includes('data-turbo-permanent'))).toHaveLength(1)
    expect(warnings.filter(text => text.includes('a frame'))).toHaveLength(1)
  })
}
