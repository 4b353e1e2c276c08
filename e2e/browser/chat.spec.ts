/** Action Cable's channels of a Rails app, in the browser: pages with either stock client, whose channels the cable asks by RPC. */
import { build } from 'esbuild'
import { type Browser, expect, type Page, test } from 'playwright/test'
import { freePorts } from '../../start/network.ts'
import { startHotcable } from '../conformance/servers.ts'
import { type Chat, missingFor, SECRET, startChat } from '../languages/rails-chat.ts'

const CLIENTS = [
  ['rails', '@rails/actioncable'],
  ['anycable', '@anycable/web'],
] as const

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

for (const transport of ['http', 'grpc'] as const)
  for (const [client, library] of CLIENTS)
    test(`two visitors of a chat in Rails talk, by ${library} over ${transport}`, async ({ browser }) => {
      test.skip(missingFor(transport) !== false, missingFor(transport) || '')
      const [port, rpcPort] = (await freePorts(2)) as [number, number]
      const host = transport === 'http' ? `http://127.0.0.1:${port}/_anycable` : `127.0.0.1:${rpcPort}`
      const cable = await startHotcable([
        ...[`--rpc_host=${host}`, `--secret=${SECRET}`, '--headers=cookie,origin', '--presence_ttl=1'],
        `--allowed_origins=127.0.0.1:${port}`,
      ])
      const ending: (() => unknown)[] = []
      const scope = { after: (end: () => unknown) => void ending.push(end) }
      try {
        const options = { broadcastUrl: cable.broadcast, cable: cable.cable, port, rpcPort }
        const chat = await startChat(scope, transport, options)
        const { outputFiles } = await build({
          stdin: { contents: script(library), resolveDir: import.meta.dirname },
          ...{ bundle: true, format: 'esm', write: false },
        })
        const source = outputFiles[0]!.text
        const [ada, bob] = [
          await enter(browser, chat, client, 'ada', source),
          await enter(browser, chat, client, 'bob', source),
        ]
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
        for (const end of ending) await end()
        await cable.stop()
      }
    })

async function enter(browser: Browser, chat: Chat, client: string, user: string, source: string): Promise<Page> {
  const page = await browser.newPage({ baseURL: chat.url })
  await page.route('/assets/*', route => route.fulfill({ contentType: 'text/javascript', body: source }))
  await page.request.post('/login', { form: { user } })
  await page.goto(`/?client=${client}`)
  return page
}

const line = (page: Page, words: string) => page.locator('#log > li').filter({ hasText: words })

const perform = (page: Page, action: string, data: object) =>
  page.evaluate(([action, data]) => window.chat.perform(action, data), [action, data] as const)
