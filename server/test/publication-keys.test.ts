/**
 * Publication keys (`meta.key`) on the wire: live clients get all messages, a client that was away gets the newest of each key.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Client, EXTENDED } from '../../testing/client.ts'
import { open, startCable, turbo } from './test-cable.ts'

const progress = (percent: number) =>
  `<turbo-stream action="update" target="bar"><template>${percent}</template></turbo-stream>`

async function messages(client: Client, last: unknown): Promise<unknown[]> {
  const frames = await client.until(({ message }) => JSON.stringify(message) === JSON.stringify(last))
  return frames.flatMap(({ message }) => (message === undefined ? [] : [message]))
}

test('a live client gets all messages with a key, and one that was away only the newest, after those before it', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const [live, away] = [await cable.welcomed(), await cable.welcomed()]
  await live.confirmed(turbo('a'))
  await cable.broadcast('a', 'other')
  for (let percent = 1; percent <= 200; percent++) await cable.broadcast('a', progress(percent), { key: 'export/7' })

  await away.subscribe(turbo('a', { position }))

  assert.equal((await messages(live, progress(200))).length, 201)
  assert.deepEqual(await messages(away, progress(200)), ['other', progress(200)])
})

test('data with a key are replaced in the same way', async t => {
  const cable = await startCable(t, ['--noauth', '--public'])
  const client = await cable.welcomed({ protocols: EXTENDED })
  for (const x of [1, 2, 3]) await cable.post({ stream: 'a', data: JSON.stringify({ x }), meta: { key: 'cursor/ada' } })

  await client.subscribe(open('a'), { history: { since: 1 } })

  assert.deepEqual(await messages(client, { x: 3 }), [{ x: 3 }])
})

test('a session that the newest message excludes gets the one before it, as if it had been live', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const [ada, bob] = [await cable.welcomed(), await cable.welcomed()]
  await cable.broadcast('a', progress(1), { key: 'k' })
  await cable.broadcast('a', progress(2), { key: 'k', exclude_socket: ada.welcome.sid })
  await cable.broadcast('a', 'last')

  for (const client of [ada, bob]) await client.subscribe(turbo('a', { position }))

  assert.deepEqual(await messages(ada, 'last'), [progress(1), 'last'])
  assert.deepEqual(await messages(bob, 'last'), [progress(1), progress(2), 'last'])
})

test('a transient message with a key replaces none that the history keeps', async t => {
  const cable = await startCable(t, ['--noauth'])
  const position = await cable.position()
  const client = await cable.welcomed()
  await cable.broadcast('a', progress(1), { key: 'k' })
  await cable.broadcast('a', progress(2), { key: 'k', transient: true })
  await cable.broadcast('a', 'last')

  await client.subscribe(turbo('a', { position }))

  assert.deepEqual(await messages(client, 'last'), [progress(1), 'last'])
})

test('a list with a key on an action that overwrites nothing is refused as a whole, with the reason', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  await client.confirmed(turbo('a'))
  const data = JSON.stringify('<turbo-stream action="append" target="list"></turbo-stream>')

  const answer = await cable.post([
    { stream: 'a', data: '"one"' },
    { stream: 'a', data, meta: { key: 'k' } },
  ])

  const { error, message } = (await answer.json()) as { error: string; message: string }
  assert.deepEqual([answer.status, error], [422, 'publication_malformed'])
  assert.match(message, /^\[1\]\.meta\.key goes with the actions replace and update alone, not with "append"$/)
  await cable.broadcast('a', 'last')
  assert.deepEqual(await messages(client, 'last'), ['last'])
})
