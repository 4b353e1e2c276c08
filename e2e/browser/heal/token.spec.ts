/** A token that expires: the page gets a new one, and pauses between its requests. */
import { CLIENTS, status } from '../demo.ts'
import { expect, type Site, test } from '../site.ts'

const EXPIRED = -60
const SCRIPTS = [...CLIENTS, 'old'] as const

/** The page, a first request at once, and then at least half a second, one, two … before each further one. */
function expectPauses(site: Site): void {
  const times = site.asked('/').map(({ at }) => at)
  for (const [at, shortest] of [500, 1000].entries())
    expect(times[at + 2]! - times[at + 1]!).toBeGreaterThan(shortest - 1)
}

for (const client of SCRIPTS) {
  test(`a page that always gets the same expired token asks with longer and longer pauses (${client})`, async ({
    site,
    open,
  }) => {
    let page = await site.page(client, '', { ttl: EXPIRED })
    site.on('/', () => page)
    const tab = await open('/')

    await expect.poll(() => site.asked('/').length).toBeGreaterThanOrEqual(4)
    expectPauses(site)
    expect(site.visitors.length, 'the page does not try the same token again').toBe(1)

    page = await site.page(client, '')
    await expect(status(tab)).toHaveText('live', { timeout: 30_000 })
    expect(site.visitors.length).toBe(2)
  })

  test(`a page pauses between requests for a token while each new one is refused too (${client})`, async ({
    site,
    open,
  }) => {
    let ttl = EXPIRED
    site.on('/', () => site.page(client, '', { ttl: ttl++ }))
    const tab = await open('/')

    await expect.poll(() => site.visitors.length).toBeGreaterThanOrEqual(4)
    expectPauses(site)
    ttl = 3600

    await expect(status(tab)).toHaveText('live', { timeout: 30_000 })
  })

  test(`a page that Turbo renders with a new token connects with it, at once (${client})`, async ({ site, open }) => {
    // No pause ends within this test.
    const head = '<script>Math.random = () => 1000</script>'
    const old = await site.page(client, '<a href="/next">next</a>', { head, ttl: EXPIRED })
    site.on('/', () => old)
    site.on('/next', () => site.page(client, '<h1>Next</h1>'))
    const tab = await open('/')
    await expect.poll(() => site.asked('/').length).toBe(2)

    await tab.getByRole('link').click()

    await expect(tab.getByRole('heading')).toHaveText('Next')
    await expect(status(tab)).toHaveText('live')
    expect(site.asked('/next').length, 'the client uses the token of the page').toBe(1)
    expect(site.asked('/').length).toBe(2)
  })
}
