/** The Board, and pages that heal, in Firefox: a few of the tests that Chromium runs in e2e/browser. */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { FIREFOX, missing } from '../../backends/harness/toolchain.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { type BoardLanguageName, CLIENTS, type ClientName, LANGUAGES, unique } from '../browser/demo.ts'
import { type Stack, startStack } from '../browser/stack.ts'
import {
  type Firefox,
  type FirefoxPage,
  fill,
  launchFirefox,
  openBoard,
  until,
  untilCard,
  untilCards,
  untilLive,
} from './firefox.ts'

/** Each client with one Board. */
const PEOPLE = [
  ['anycable', 'typescript'],
  ['rails', 'python'],
] as const satisfies readonly (readonly [ClientName, BoardLanguageName])[]

let firefox: Firefox
let stack: Stack

if (await FIREFOX.isPresent()) describe('Firefox', tests)
else {
  console.error(`\n!!! ${missing(FIREFOX)}\n`)
  test('Firefox', { skip: process.env.CI !== 'true' }, () => assert.fail(missing(FIREFOX)))
}

function tests() {
  before(async () => {
    ;[firefox, stack] = await Promise.all([launchFirefox(), startStack()])
  })
  after(async () => {
    await firefox?.close()
    await stack?.close()
  })

  for (const client of CLIENTS) {
    test(`what one Firefox does on the Board, another sees (${client})`, async t => {
      const { page: reader } = await visit(t, client, 'python')
      // The last page is in front. Firefox hardly draws another one, so a click there takes a minute.
      const { page: writer } = await visit(t, client, 'typescript')
      const [stays, goes] = [unique('stays'), unique('goes')]
      for (const body of [stays, goes]) {
        await fill(writer, '#card-body', body)
        await writer.click('.add button')
        for (const page of [writer, reader]) await untilCard(page, body)
      }

      await writer.click('.card:first-child .vote')
      await until(reader, 'a vote', () => document.querySelector('.card .votes')?.textContent === '1')
      await writer.click('.card:last-child .delete summary')
      await writer.click('.card:last-child .delete button')
      await untilCard(reader, goes, 0)
      await writer.click('.clear summary')
      await writer.click('.clear button')

      for (const page of [writer, reader]) await untilCard(page, stays, 0)
      await isTrue(reader, 'python')
    })
  }

  for (const [client, language] of PEOPLE) {
    const label = `in Firefox (${client}, ${language})`

    test(`a page shows what was broadcast while its network was gone, ${label}`, async t => {
      const { page, network } = await visit(t, client, language)
      await add(language, 3, 'seen')

      network.freeze()
      await add(language, 20, 'swallowed')
      network.cut()
      await add(language, 40, 'missed')
      network.pass()

      await isTrue(page, language)
      assert.equal(await fetches(page), 1)
    })

    test(`a page that missed more than the cable remembers refreshes once, ${label}`, async t => {
      const { page, network } = await visit(t, client, language, '--history_limit=5')
      await fill(page, '#card-body', 'half a thou')

      network.cut()
      await add(language, 30, 'too many')
      network.pass()

      await isTrue(page, language)
      assert.equal(
        await page.evaluate(() => document.querySelector<HTMLInputElement>('#card-body')!.value),
        'half a thou',
      )
      assert.equal(await fetches(page), 2)
    })

    test(`a page replaces a connection that only looks open, ${label}`, async t => {
      const { page, network } = await visit(t, client, language)

      network.halfOpen()
      await add(language, 3, 'into the void')

      await isTrue(page, language)
    })

    test(`a page is complete after its cable was killed and started again, ${label}`, async t => {
      const { page } = await visit(t, client, language)
      await add(language, 2, 'seen')

      await stack.cable.kill()
      await add(language, 3, 'while the cable was down')
      await stack.cable.start()

      await isTrue(page, language)
    })

    test(`a page shows what it missed when its visitor goes back to it, ${label}`, async t => {
      const { page, network } = await visit(t, client, language)
      await page.goto(`${network.origin}/compare`)

      const [missed] = await add(language, 3, 'while elsewhere')
      await page.goBack()

      await untilCard(page, missed!)
      await isTrue(page, language)
    })
  }

  test('an answer streams in, and the windows of /people see each other, in Firefox', async t => {
    const { page, network } = await visit(t, 'anycable', 'typescript')
    await page.goto(`${network.origin}/answer`)
    await fill(page, '[name=question]', 'Why?')
    await page.click('.add button')
    await until(page, 'the end of an answer', () =>
      document.querySelector('.answer[aria-busy=false]')?.textContent?.includes('a page that never left'),
    )

    await page.goto(`${network.origin}/people`)
    const { page: other } = await visit(t, 'anycable', 'typescript')
    await other.goto(`${network.origin}/people`)
    for (const each of [page, other]) {
      await untilLive(each)
      await until(each, 'two windows', () => document.querySelectorAll('#people li').length === 2)
    }
  })
}

/** Opens an empty Board, over a network that the test can break, with a cable of these settings. */
async function visit(
  t: TestContext,
  client: ClientName,
  language: BoardLanguageName,
  ...settings: string[]
): Promise<{ page: FirefoxPage; network: TcpProxy }> {
  await stack.cable.start(...settings)
  await stack.clear()
  const network = await createProxy(stack.port)
  const context = await firefox.createBrowserContext()
  t.after(async () => {
    await context.close()
    await network.close()
  })
  const page = await context.newPage()
  await openBoard(page, network.origin + LANGUAGES[language], client)
  return { page, network }
}

async function add(language: BoardLanguageName, count: number, about: string): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, at) => unique(`${about} ${at + 1}.`))
  for (const body of bodies) await stack.add(language, body)
  return bodies
}

/** The page shows what a fresh page shows, soon, and shows the next card too. */
async function isTrue(page: FirefoxPage, language: BoardLanguageName): Promise<void> {
  await untilCards(page, await stack.render(language))
  await untilLive(page)
  const last = unique('and goes on')
  await stack.add(language, last)
  await untilCard(page, last)
  await untilCards(page, await stack.render(language))
}

/** How often the page was fetched: its load, and the refreshes of Turbo. */
const fetches = (page: FirefoxPage): Promise<number> =>
  page.evaluate(
    () =>
      1 +
      performance
        .getEntriesByType('resource')
        .filter(({ name }) => new URL(name).pathname === location.pathname && new URL(name).search === location.search)
        .length,
  )
