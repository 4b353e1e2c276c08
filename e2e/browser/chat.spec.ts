/** Action Cable's channels of a Rails app, in the browser: pages with either stock client, whose channels the cable asks by RPC. */
import { build } from 'esbuild'
import { type Browser, expect, type Page, test } from 'playwright/test'
import { freePorts } from '../../start/network.ts'
import type { Transport } from '../../testing/rpc-app.ts'
import { startHotcable } from '../conformance/servers.ts'
import { type Chat, missingFor, SECRET, startChat } from '../languages/rails-chat.ts'

const CLIENTS = ['@rails/actioncable', '@anycable/web']

/** The page's script: a line for each event. Playwright's tests perform actions by `chat`. */
const script = (from: string) => `
  import { createConsumer } from '${from}'
  const log = line => {
    const item = document.createElement('li')
    item.textContent = line
    document.querySelector('#log').append(item)
  }
  const open = room => createdBy.subscriptions.create({ channel: 'ChatChannel', room }, {
    connected: () => log('connected to ' + room),
    disconnected: () => log('disconnected'),
    rejected: () => log('rejected by ' + room),
    received: message => log(JSON.stringify(message)),
  })
  const createdBy = createConsumer()
  window.chat = open('green')
  open('closed')`

declare global {
  interface Window {
    chat: { perform: (action: string, data?: object) => void }
  }
}

/** A cable and the chat, which know each other; `end` stops both. */
async function start(transport: Transport) {
  const [port, rpcPort] = (await freePorts(2)) as [number, number]
  const host = transport === 'http' ? `http://127.0.0.1:${port}/_anycable` : `127.0.0.1:${rpcPort}`
  const cable = await startHotcable([
    ...[`--rpc_host=${host}`, `--secret=${SECRET}`, '--headers=cookie,origin', '--presence_ttl=1'],
    `--allowed_origins=127.0.0.1:${port}`,
  ])
  const ending: (() => unknown)[] = [cable.stop]
  const scope = { after: (end: () => unknown) => void ending.unshift(end) }
  const end = async () => {
    for (const each of ending) await each()
  }
  try {
    const options = { broadcastUrl: cable.broadcast, cable: cable.cable, port, rpcPort }
    return { chat: await startChat(scope, transport, options), end }
  } catch (error) {
    await end()
    throw error
  }
}

for (const transport of ['http', 'grpc'] as const)
  for (const library of CLIENTS)
    test(`two visitors of a chat in Rails talk, by ${library} over ${transport}`, async ({ browser }) => {
      test.skip(missingFor(transport) !== false, missingFor(transport) || '')
      const { chat, end } = await start(transport)
      try {
        const { outputFiles } = await build({
          stdin: { contents: script(library), resolveDir: import.meta.dirname },
          ...{ bundle: true, format: 'esm', write: false },
        })
        const source = outputFiles[0]!.text
        const [ada, bob] = [await enter(browser, chat, 'ada', source), await enter(browser, chat, 'bob', source)]
        for (const page of [ada, bob]) {
          await expect(line(page, 'connected to green')).toHaveCount(1)
          await expect(line(page, 'rejected by closed')).toHaveCount(1)
        }

        await perform(ada, 'speak', { text: 'hello' })
        const said = line(bob, '{"by":"ada","text":"hello","spoken":1}')
        await expect(said).toHaveCount(1)
        await perform(bob, 'ask', { text: 'why?' })
        await expect(line(bob, '{"answer":"WHY?"}')).toHaveCount(1)
        await expect(line(ada, '{"answer":"WHY?"}')).toHaveCount(0)

        await perform(ada, 'kick', { user: 'bob' })
        await expect(line(bob, 'disconnected')).toHaveCount(1)
        await perform(ada, 'speak', { text: 'alone' })
        await expect(line(ada, '{"by":"ada","text":"alone","spoken":2}')).toHaveCount(1)
        await expect(line(bob, '{"by":"ada","text":"alone","spoken":2}')).toHaveCount(0)
      } finally {
        await end()
      }
    })

test('the chat in Rails has a page, where a visitor logs in and sees what others say', async ({ browser }) => {
  test.skip(missingFor('http') !== false, missingFor('http') || '')
  const { chat, end } = await start('http')
  try {
    const visit = async (user: string) => {
      const page = await browser.newPage({ baseURL: chat.url })
      await page.goto('/')
      await page.getByLabel('Your name').fill(user)
      await page.getByRole('button', { name: 'Log in' }).click()
      await expect(line(page, 'connected')).toHaveCount(1)
      return page
    }
    const [ada, bob] = [await visit('ada'), await visit('bob')]
    await expect(line(ada, 'bob joins')).toHaveCount(1)
    await ada.getByLabel('Say').fill('<b>hello</b>')
    await ada.getByRole('button', { name: 'Send' }).click()

    for (const page of [ada, bob]) await expect(line(page, 'ada: <b>hello</b>')).toHaveCount(1)
  } finally {
    await end()
  }
})

/** Logs in, and puts the script of the test in the place of the chat's page. (A browser lets no page of a test call this machine.) */
async function enter(browser: Browser, chat: Chat, user: string, source: string): Promise<Page> {
  const page = await browser.newPage({ baseURL: chat.url })
  await page.goto('/')
  await page.request.post('/login', { form: { user } })
  await page.evaluate(() => {
    document.body.innerHTML = '<ol id="log"></ol>'
  })
  await page.addScriptTag({ type: 'module', content: source })
  return page
}

const line = (page: Page, words: string) => page.locator('#log > li').filter({ hasText: words })

const perform = (page: Page, action: string, data: object) =>
  page.evaluate(([action, data]) => window.chat.perform(action, data), [action, data] as const)
