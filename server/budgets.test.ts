/**
 * Budgets: what clients make the cable keep is bounded in bytes.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, startCable, turbo } from './testing.ts'

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

test('a session may hold two pages; a subscription beyond is told why, and confirmed once there is room', async t => {
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

test('the identifiers of a session are bounded in bytes: one beyond is told why, and confirmed once there is room', async t => {
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

test('a thousand streams on a page work by setting it, and so does the next page while the first is left', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=1000', '--max_command_burst=4000'])
  const client = await cable.welcomed()
  const page = (n: number) => Array.from({ length: 1000 }, (_, i) => turbo(`${'name/'.repeat(20)}${i}`, { n }))

  assert.deepEqual(new Set(await subscribeAll(client, page(1))), new Set([CONFIRMED]))
  const [left, entered] = [page(1), page(2)]
  for (const identifier of entered.slice(0, 500)) client.send({ command: 'subscribe', identifier })
  for (const identifier of left) client.send({ command: 'unsubscribe', identifier })
  for (const identifier of entered.slice(500)) client.send({ command: 'subscribe', identifier })
  for (const identifier of entered) assert.deepEqual(await client.next(), { type: CONFIRMED, identifier })
})
