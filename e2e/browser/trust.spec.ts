/**
 * Which clients may listen, as a browser shows it: forged names and old tokens.
 */
import { expect } from 'playwright/test'
import { addCard, CLIENTS, card, onAnycable, openBoard, status, test, token, unique, type Visit } from './demo.ts'

for (const client of CLIENTS) {
  test(`a forged signed name is rejected, and the page shows no update (${client})`, async ({ visit }) => {
    const [forger, honest] = [await visit('typescript', client), await visit('python', client)]
    await forger.evaluate(() => {
      const source = document.querySelector('turbo-cable-stream-source')!
      const forged = source.cloneNode() as Element
      forged.removeAttribute('connected')
      forged.setAttribute(
        'signed-stream-name',
        source.getAttribute('signed-stream-name')!.replace(/--.*/, `--${'0'.repeat(64)}`),
      )
      source.replaceWith(forged)
    })
    // AnyCable does not say why.
    await expect(status(forger)).toHaveText(onAnycable ? 'refused' : 'refused: stream_signature_mismatch')
    const body = unique('not for forgers')

    await addCard(honest, body)

    await expect(card(honest, body)).toHaveCount(1)
    const later = unique('afterwards')
    await addCard(honest, later)
    await expect(card(honest, later)).toHaveCount(1)
    await expect(card(forger, body)).toHaveCount(0)
    await forger.reload()
    await expect(card(forger, body)).toHaveCount(1)
  })
}

test('an AnyCable page refreshes its expired token once, and goes on', async ({ browser, visit }) => {
  // The browser counts a page that a test serves as public, and lets a public page reach localhost only with permission.
  const context = await browser.newContext({ permissions: ['local-network-access'] })
  const page = await context.newPage()
  const expired = token({ ext: '{"visitor":"0123456789abcdef"}', exp: 1_000_000_000 })
  let refreshes = 0
  await page.route('**/*', async route => {
    const request = route.request()
    if (request.headers()['x-anycable-operation'] === 'token-refresh') refreshes++
    else if (request.resourceType() === 'document') {
      const response = await route.fetch()
      const html = await response.text()
      return route.fulfill({ response, body: html.replace(/(name="cable-token" content=")[^"]+/, `$1${expired}`) })
    }
    return route.fallback()
  })

  await openBoard(page, 'python')

  expect(refreshes).toBe(1)
  const body = unique('after the refresh')
  await addCard(await visit('php'), body)
  await expect(card(page, body)).toHaveCount(1)
})

test('a visitor has the same identity in every language, and another visitor another one', async ({ visit }) => {
  const identity = async (page: Awaited<ReturnType<Visit>>) => {
    const jid = await page.locator('meta[name="cable-token"]').getAttribute('content')
    return JSON.parse(Buffer.from(jid!.split('.')[1]!, 'base64url').toString()).ext
  }
  const page = await visit('typescript')
  const first = await identity(page)
  for (const language of ['python', 'php', 'ruby'] as const) {
    await openBoard(page, language)
    expect(await identity(page)).toBe(first)
  }
  expect(await identity(await visit('typescript'))).not.toBe(first)
})
