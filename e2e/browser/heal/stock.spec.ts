/** Both clients as their packages ship them, on pages without hotcable-status.js. */
import type { Page } from 'playwright/test'
import { CLIENTS } from '../demo.ts'
import { expect, hear, look, miss, renders, serveCounted, test } from '../site.ts'

/** The frames that the cable sends to the page from now on. */
function listen(page: Page): string[] {
  const frames: string[] = []
  page.on('websocket', socket => socket.on('framereceived', ({ payload }) => frames.push(String(payload))))
  return frames
}

for (const client of CLIENTS) {
  test(`a client that does not know "refresh" subscribes, gets broadcasts and refreshes its page (${client})`, async ({
    site,
    open,
  }) => {
    let isWell = false
    site.on('/well', () => ({ status: isWell ? 200 : 500 }))
    serveCounted(site, `${client}-alone`)
    const page = await open('/')
    expect(await page.evaluate(() => customElements.get('hotcable-status'))).toBe(undefined)
    await hear(site, page, 'before')
    const frames = listen(page)

    await miss(site, `--heal_check=${site.origin}/well`)
    await look(page)
    await hear(site, page, 'between')
    await expect(page.locator('turbo-cable-stream-source')).toHaveAttribute('connected')
    await expect(renders(page)).toHaveText('1')
    const confirmed = frames.map(frame => JSON.parse(frame)).filter(({ type }) => type === 'confirm_subscription')
    expect(confirmed).toEqual([expect.objectContaining({ refresh: 'coming' })])
    isWell = true

    await expect(renders(page)).toHaveText('2')
    await hear(site, page, 'after')
    expect(site.visitors.filter(({ isOpen }) => isOpen)).toHaveLength(1)
  })
}
