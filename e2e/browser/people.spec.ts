/** /people: the windows that are here, each with the name that its reader typed. */
import { chromium, expect, type Page } from 'playwright/test'
import { createProxy } from '../../testing/proxy.ts'
import { status, test } from './demo.ts'

const people = (page: Page) => page.locator('#people li')

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await expect(status(page)).toHaveText('live')
}

async function name(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your name').fill(text)
  await page.keyboard.press('Enter')
}

test('/people shows each window that opens, the name that it takes, and that it goes', async ({ page, browser }) => {
  await open(page, '/people')
  await expect(page.locator('#people-count')).toContainText('Only this window is here')
  const second = await browser.newPage()
  await open(second, page.url())
  for (const each of [page, second]) await expect(people(each)).toHaveCount(2)

  await name(second, '<b>Łódź</b>')

  await expect(people(page).filter({ hasText: '<b>Łódź</b>' })).toHaveCount(1)
  await expect(people(page).filter({ hasText: 'this window' })).toHaveCount(1)
  await expect(page.locator('#people-count')).toHaveText('2 windows are here.')
  await second.close({ runBeforeUnload: true })
  await expect(people(page)).toHaveCount(1)
})

test('/people names a phone only at an address that a phone can reach', async ({ page, baseURL }, { project }) => {
  const { launchOptions = {} } = project.use
  const rules = '--host-resolver-rules=MAP lan.test 127.0.0.1'
  const browser = await chromium.launch({ ...launchOptions, args: [...(launchOptions.args ?? []), rules] })
  const far = await browser.newPage()

  await open(page, '/people')
  await expect(page.locator('#people-count')).toHaveText('Only this window is here. Open this page in a second one.')
  await page.goto('about:blank')
  await open(far, `http://lan.test:${new URL(baseURL!).port}/people`)
  await expect(far.locator('#people-count')).toHaveText(
    'Only this window is here. Open this page in a second one, or on your phone.',
  )
  await browser.close()
})

test('/people knows the other windows of a browser, and the name of its reader', async ({ page, context }) => {
  await open(page, '/people')
  await name(page, 'Ada')
  const second = await context.newPage()
  await open(second, page.url())

  await expect(second.getByLabel('Your name')).toHaveValue('Ada')
  await expect(people(second)).toHaveText(['Ada (this window)', 'Ada (this browser)'])
})

test('/people lists a client that joins without a name', async ({ page }) => {
  await open(page, '/people')

  await page.evaluate(async () => {
    const { signedStreamName } = document.querySelector<HTMLElement>('#people')!.dataset
    const meta = (name: string) => document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)!.content
    const identifier = JSON.stringify({ channel: '$pubsub', signed_stream_name: signedStreamName })
    for (const [id, more] of Object.entries({ absent: {}, empty: { info: null }, number: { info: { name: 5 } } })) {
      const token = `anycable-token.${meta('cable-token')}`
      const socket = new WebSocket(meta('cable-url'), ['actioncable-v1-ext-json', token])
      const send = (command: object) => socket.send(JSON.stringify({ identifier, ...command }))
      socket.onmessage = ({ data }) => {
        const { type } = JSON.parse(data)
        if (type === 'welcome') send({ command: 'subscribe' })
        if (type === 'confirm_subscription') send({ command: 'join', presence: { id, ...more } })
      }
    }
  })

  await expect(people(page)).toHaveText([/this window/, 'A guest', 'A guest', 'A guest'])
})

test('a window of /people that lost its network is in the list again', async ({ page, browser, baseURL }) => {
  const network = await createProxy(Number(new URL(baseURL!).port))
  await open(page, '/people')
  const second = await browser.newPage()
  await open(second, `${network.origin}/people`)
  await expect(people(page)).toHaveCount(2)

  network.cut()
  await expect(status(second)).toHaveText('connecting')
  await expect(people(page)).toHaveCount(1)
  network.pass()

  for (const each of [page, second]) await expect(people(each)).toHaveCount(2)
  await second.close()
  await network.close()
})
