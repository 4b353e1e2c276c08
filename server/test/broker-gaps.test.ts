/**
 * Pages while the broker begins a new epoch, is away, or could not take a message: in the end each shows everything, because
 * it got the messages or was asked to refresh.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { EXTENDED } from '../../testing/client.ts'
import { type DelayedCable, delayedCable, freshMemory, testSeeds } from './delayed-cable.ts'
import { type TestCable, turbo } from './test-cable.ts'

const REFRESH = /action="refresh"/
const PAGES = 16
const MESSAGES = 25

/** An app's database. */
interface App {
  readonly rows: string[]
}

/** The app stores a row, then broadcasts it, and tries again until the cable takes it. */
async function add(cable: TestCable, app: App, row: string): Promise<void> {
  app.rows.push(row)
  while ((await cable.post({ stream: 'a', data: `"${row}"`, meta: { id: row } })).status !== 201) await pause(20)
}

/** Tries as helpers do: the position before the rows, "-" if the cable does not know it. */
async function positionOf({ url, key }: TestCable): Promise<string> {
  const answer = await fetch(`${url.broadcast}/position?stream=a`, { headers: { authorization: `Bearer ${key}` } })
  return answer.ok ? ((await answer.json()) as { position: string }).position : '-'
}

/** Opens a page, does what the cable asks of it, and resolves once it shows all rows of the app. */
async function browse(cable: TestCable, app: App): Promise<void> {
  const client = await cable.welcomed()
  let [identifier, shown, last] = ['', new Set<string>(), { offset: 0, epoch: '' }]
  const render = async () => {
    const position = await positionOf(cable)
    shown = new Set(app.rows)
    if (identifier !== '') client.command('unsubscribe', identifier)
    identifier = turbo('a', { position })
    client.command('subscribe', identifier)
    last = { offset: 0, epoch: '' }
  }
  await render()
  while (!shown.has('last') || shown.size < app.rows.length) {
    const { message, offset = 0, epoch = '', identifier: to } = await client.next()
    if (to !== identifier || message === undefined) continue
    if (REFRESH.test(String(message))) await render()
    else {
      shown.add(String(message))
      assert.ok(epoch !== last.epoch || offset > last.offset, `${offset}/${epoch} after ${last.offset}/${last.epoch}`)
      last = { offset, epoch }
    }
  }
}

for (const [about, disturb] of [
  ['a new epoch', async ({ broker }) => broker.restart(freshMemory('fresh'))],
  [
    'a broker that is away again and again',
    async ({ broker }, random) => {
      for (let n = 0; n < 4; n++) {
        broker.isAway = true
        await pause(random.next() * 300)
        broker.isAway = false
        await pause(random.next() * 200)
      }
    },
  ],
  [
    'a message that the broker never took',
    async ({ broker }, _, app) => {
      app.rows.push('never broadcast')
      await broker.forget([{ stream: 'a' }])
    },
  ],
] as [string, (delayed: DelayedCable, random: Random, app: App) => Promise<void>][]) {
  testSeeds(`each page shows all rows after ${about}`, 15, async (t, seed) => {
    const random = new Random(seed)
    const delayed = await delayedCable(t, seed, ['--history_limit=1000'])
    const { cable } = delayed
    const app: App = { rows: [] }
    const pages: Promise<void>[] = []
    const publishing = (async () => {
      for (let n = 0; n < MESSAGES; n++) await add(cable, app, String(n))
    })()
    for (let n = 0; n < PAGES; n++) {
      await pause(random.next() * 40)
      if (n === PAGES / 2) pages.push(disturb(delayed, random, app))
      pages.push(browse(cable, app))
    }
    await publishing
    await add(cable, app, 'last')
    await Promise.all(pages)
  })
}

for (const [about, isLostBefore] of [
  ['that was lost before a new epoch', true],
  ['that was silent when a new epoch began, and lost later', false],
] as const) {
  for (const [answer, history, expected] of [
    ['rejects its question for history', { streams: { a: { epoch: 'old', offset: 5 } } }, /reject_history/],
    ['asks its page to refresh if it does not ask', undefined, REFRESH],
  ] as const) {
    test(`the cable resumes a session ${about}, and ${answer}`, async t => {
      const { cable, broker } = await delayedCable(t, 1)
      const client = await cable.welcomed({ protocols: EXTENDED })
      await client.confirmed(turbo('a'))
      await broker.settled()
      for (let n = 0; n < 5; n++) await cable.broadcast('a', 'old')
      await client.until(({ offset }) => offset === 5)
      if (isLostBefore) await client.drop()
      broker.restart(freshMemory('fresh'))
      await broker.settled()
      for (let n = 0; n < 9; n++) await cable.broadcast('a', 'new')
      if (!isLostBefore) await client.drop()

      const next = await cable.connect({ protocols: EXTENDED, query: `?sid=${client.welcome.sid}` })
      assert.deepEqual((await next.next()).restored_ids, [turbo('a')])
      if (history !== undefined) next.command('history', turbo('a'), { history })
      else next.send({ command: 'pong' })
      const { type, message } = await next.next()
      assert.match(String(type ?? message), expected)
    })
  }
}
