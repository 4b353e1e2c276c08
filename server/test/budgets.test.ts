/** Budgets of sessions and of lost sessions: the cable bounds, in bytes, the data that it keeps for clients. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED } from '../../testing/client.ts'
import { parseCommand } from '../protocol/action-cable.ts'
import { MemoryResumables } from '../session/memory-resumables.ts'
import type { Snapshot } from '../session/resumables.ts'
import { retained, settled } from './memory.ts'
import { startCable, turbo } from './test-cable.ts'

const MIB = 1 << 20

/** Subscribes to all at once; returns the type of each answer and its code. */
async function subscribeAll(client: Client, identifiers: readonly string[]): Promise<string[]> {
  for (const identifier of identifiers) client.send({ command: 'subscribe', identifier })
  const answers: string[] = []
  while (answers.length < identifiers.length) {
    const { type, code } = await client.next()
    answers.push([type, code].filter(Boolean).join(' '))
  }
  return answers
}

const CONFIRMED = 'confirm_subscription'

test('a session may hold two pages; the cable rejects a further subscription until there is room', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=3'])
  const client = await cable.welcomed()
  const identifiers = Array.from({ length: 7 }, (_, i) => turbo('a', { i }))

  assert.deepEqual(await subscribeAll(client, identifiers), [
    ...Array(6).fill(CONFIRMED),
    'reject_subscription subscriptions_limit',
  ])
  client.send({ command: 'unsubscribe', identifier: identifiers[0] })
  assert.deepEqual(await client.subscribe(identifiers[6]!), { type: CONFIRMED, identifier: identifiers[6] })
})

test('the cable bounds the identifiers of a session in bytes, and rejects a further one until there is room', async t => {
  const cable = await startCable(t, ['--noauth', '--max_identifiers_size=4000'])
  const client = await cable.welcomed()
  const [one, two, three] = ['a', 'b', 'c'].map(stream => turbo(stream, { x: 'x'.repeat(1500) })) as [
    string,
    string,
    string,
  ]
  // Two bytes a character, as the process keeps it.
  const wide = turbo('d', { x: '€'.repeat(1200) })

  const limit = 'reject_subscription identifiers_limit'
  assert.deepEqual(await subscribeAll(client, [one, two, three]), [CONFIRMED, CONFIRMED, limit])
  client.send({ command: 'unsubscribe', identifier: two })
  assert.deepEqual(await subscribeAll(client, [wide, three]), [limit, CONFIRMED])
})

test('with --max_subscriptions=1000 a page may have 1,000 streams, and so may the next while it unsubscribes', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=1000'])
  const client = await cable.welcomed()
  const page = (n: number) => Array.from({ length: 1000 }, (_, i) => turbo(`${'name/'.repeat(20)}${i}`, { n }))

  assert.deepEqual(new Set(await subscribeAll(client, page(1))), new Set([CONFIRMED]))
  const [left, entered] = [page(1), page(2)]
  for (const identifier of entered.slice(0, 500)) client.send({ command: 'subscribe', identifier })
  for (const identifier of left) client.send({ command: 'unsubscribe', identifier })
  for (const identifier of entered.slice(500)) client.send({ command: 'subscribe', identifier })
  for (const identifier of entered) assert.deepEqual(await client.next(), { type: CONFIRMED, identifier })
})

for (const [about, snapshot] of [
  ['many that hold nothing', n => ({ identity: `{"user":${n}}`, sids: [`sid ${n}`.padEnd(22, '.')], identifiers: [] })],
  [
    'few that hold much',
    n => ({ identity: 'ada', sids: [`sid ${n}`], identifiers: identifiers(40, n, 'x'.repeat(3800)) }),
  ],
  [
    'texts of two bytes a character',
    n => ({ identity: '€', sids: [`sid ${n}`], identifiers: identifiers(40, n, '€'.repeat(1900)) }),
  ],
] as [string, (n: number) => Omit<Snapshot, 'anonymous' | 'position'>][]) {
  test(`lost sessions stay within their size: ${about}`, async () => {
    const taken = await retained(() => {
      const resumables = new MemoryResumables({ ttlSeconds: 300, max: 1e9, maxBytes: 8 * MIB, monotonic: () => 0 })
      for (let n = 0; resumables.evicted < 10; n++)
        resumables.keep({ ...snapshot(n), anonymous: false, position: { offset: n, epoch: 'aZ3x' } })
      assert.ok(resumables.bytes <= 8 * MIB)
      return resumables
    })

    assert.ok(taken <= 8.5 * MIB && taken > 4 * MIB, `${taken} bytes`)
  })
}

/** Strings as a session gets them: slices of clients' messages. */
const identifiers = (count: number, n: number, x: string): string[] =>
  Array.from({ length: count }, (_, i) => {
    const identifier = JSON.stringify({ channel: 'c', n, i, x })
    return parseCommand(Buffer.from(JSON.stringify({ command: 'subscribe', identifier, pad: x })).toString())!
      .identifier
  })

test('a flood of lost sessions with large identifiers stays within their size, and the newest are resumed', async t => {
  const cable = await startCable(t, ['--noauth', '--max_lost_sessions_size=2000000'])
  const lose = async () => {
    const client = await cable.welcomed({ protocols: EXTENDED })
    await subscribeAll(
      client,
      Array.from({ length: 40 }, (_, i) => turbo('a', { i, x: 'x'.repeat(3700) })),
    )
    client.ws.terminate()
    await cable.until(({ sessions }) => sessions === 0)
    return client.welcome.sid
  }
  const first = await lose()
  const before = await settled()
  let last: string | undefined
  for (let i = 0; i < 60; i++) last = await lose()

  const grown = (await settled()) - before
  // The flood had 8.5 MiB; the test's own clients take some memory as well.
  assert.ok(grown < 6 * MIB, `${grown} bytes`)
  const welcome = async (sid: string | undefined) =>
    (await cable.welcomed({ query: `?sid=${sid}`, protocols: EXTENDED })).welcome
  assert.equal((await welcome(first)).restored, undefined)
  assert.equal(((await welcome(last)).restored_ids as string[]).length, 39)
})
