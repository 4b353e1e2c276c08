/**
 * The Board at a name in the local network, over plain HTTP, as a phone opens it: Chromium sends no Sec-Fetch-Site there.
 * Its own pages change it; a page of another site does not.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium, expect, type Request } from 'playwright/test'
import { addCard, card, LANGUAGES, languages, test, unique } from './demo.ts'

const NAMES_ARE_HERE = '--host-resolver-rules=MAP *.test 127.0.0.1'

for (const language of languages) {
  test(`over plain HTTP a page of another site adds no card, and the Board's own page does, in ${language}`, async ({
    baseURL,
  }, { project }) => {
    const board = `http://lan.test:${new URL(baseURL!).port}${LANGUAGES[language]}`
    const { launchOptions = {} } = project.use
    const browser = await chromium.launch({ ...launchOptions, args: [...(launchOptions.args ?? []), NAMES_ARE_HERE] })
    const evil = await serve(
      `<form action="${board}cards" method="post"><input name="body"><button>Win</button></form>`,
    )
    const page = await browser.newPage()
    const [own, foreign] = [unique('own'), unique('foreign')]
    const posts: Request[] = []
    page.on('request', request => void (request.method() === 'POST' && posts.push(request)))

    await page.goto(board)
    await addCard(page, own)
    await expect(card(page, own)).toHaveCount(1)
    await page.goto(evil.url)
    await page.locator('input').fill(foreign)
    await page.getByRole('button').click()

    await expect(page.locator('body')).toContainText('Origin is not the host that was asked')
    // The answer must be the 403 of this test, and not some other failure.
    expect(await Promise.all(posts.map(post => post.headerValue('sec-fetch-site')))).toEqual([null, null])
    await page.goto(board)
    await expect(card(page, own)).toHaveCount(1)
    await expect(card(page, foreign)).toHaveCount(0)
    await browser.close()
    evil.close()
  })
}

async function serve(html: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://evil.test:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}
