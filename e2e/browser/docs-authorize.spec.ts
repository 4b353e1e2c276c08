/** The app of docs/authorize.md. */
import { type BrowserContext, expect, type Page } from 'playwright/test'
import { FLASK, type PageApp, test } from './page-app.ts'

const status = (page: Page) => page.locator('hotcable-status')
const lines = (page: Page) => page.locator('#lines > li')

async function logIn(context: BrowserContext, origin: string, user: string): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  await page.getByLabel('Name').fill(user)
  await page.getByRole('button', { name: 'Log in' }).click()
  await expect(status(page)).toHaveText('live')
  return page
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Line').fill(text)
  await page.getByRole('button', { name: 'Say' }).click()
  await expect(lines(page).last()).toHaveText(text)
}

test('the open page of a removed member hears nothing more, and its copied name opens nothing', async ({
  start,
  browser,
}) => {
  const app = await start('docs/authorize.md', 'In Flask', FLASK, origin => [
    `--subscribe_url=${origin}/hotcable/subscribe`,
    '--subscribe_streams=room/*',
  ])
  const [ada, bob] = [
    await logIn(await browser.newContext(), app.origin, 'ada'),
    await logIn(await browser.newContext(), app.origin, 'bob'),
  ]
  const name = (await bob.locator('turbo-cable-stream-source').getAttribute('signed-stream-name'))!
  const token = (await bob.locator('meta[name="cable-token"]').getAttribute('content'))!
  await say(ada, 'Both')
  await expect(lines(bob)).toHaveText(['Both'])

  await ada.getByRole('button', { name: 'Remove bob' }).click()
  await expect(ada.getByRole('button', { name: 'Remove bob' })).toHaveCount(0)
  await say(ada, 'Ada alone')

  await expect(status(bob)).toHaveText(/refused/)
  await expect(lines(bob)).toHaveText(['Both'])
  expect(await answerTo(app, token, name)).toBe('reject_subscription')
  await bob.reload()
  await expect(bob.locator('body')).toContainText('bob, you are not in this room.')
})

/** Subscribes to a copied name, as any program that has the name can; resolves with the type of the answer. */
async function answerTo({ cable }: PageApp, token: string, name: string): Promise<string> {
  const identifier = JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: name })
  const socket = new WebSocket(cable.url, ['actioncable-v1-json', `anycable-token.${token}`])
  const answer = await new Promise<string>(then => {
    socket.onmessage = ({ data }) => {
      const { type } = JSON.parse(data)
      if (type === 'welcome') socket.send(JSON.stringify({ command: 'subscribe', identifier }))
      if (type?.endsWith('_subscription')) then(type)
    }
  })
  socket.close()
  return answer
}
