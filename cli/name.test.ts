import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signStream, streamFrom } from '../backends/typescript/hotcable.ts'
import { railsTurboKeys } from '../server/auth/keys.ts'
import { streamVerifier } from '../server/auth/streams.ts'
import { SECRET, startCable } from '../server/test/test-cable.ts'
import { sign } from './sign.ts'
import { hotcable } from './testing.ts'

const ENV = { ANYCABLE_SECRET: 'canary' }
/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1/_broadcast'
const streamIn = (name: string, purpose = '', nowSeconds = Date.now() / 1000) =>
  streamVerifier({ secrets: ['canary'], purpose })(name.trim(), nowSeconds).stream

test('name prints what the helper signs', async () => {
  const { code, stdout, stderr } = await hotcable(['name', 'böard/1'], { env: ENV })

  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(stdout, `${signStream('böard/1', { secret: 'canary' })}\n`)
})

test('name signs as the helper does when the name expires', () => {
  assert.equal(
    sign('board/1', 'canary', { expires: 1_800_000_060_000 }),
    signStream('board/1', { secret: 'canary', now: 1_800_000_000, expiresIn: 60 }),
  )
})

test('a name with a purpose and an expiry opens for that purpose until then', async () => {
  const { stdout } = await hotcable(['name', 'board/1', '--purpose=read', '--expires=15m'], { env: ENV })

  assert.equal(streamIn(stdout, 'read'), 'board/1')
  assert.throws(() => streamIn(stdout), { code: 'stream_purpose_mismatch' })
  assert.throws(() => streamIn(stdout, 'read', Date.now() / 1000 + 901), { code: 'stream_name_expired' })
})

test('name has the purpose of the cable unless it is given another', async () => {
  const env = { ...ENV, HOTCABLE_STREAMS_PURPOSE: 'read' }

  assert.equal(streamIn((await hotcable(['name', 'board/1'], { env })).stdout, 'read'), 'board/1')
  assert.equal(streamIn((await hotcable(['name', 'board/1', '--purpose=x'], { env })).stdout, 'x'), 'board/1')
})

test("name signs with the key of a Rails application's Turbo", async () => {
  const { stdout } = await hotcable(['name', 'board/1'], { env: { HOTCABLE_RAILS_SECRET_KEY_BASE: 'canary' } })

  const verify = streamVerifier({ secrets: railsTurboKeys('canary'), purpose: '' })
  assert.equal(verify(stdout.trim(), 0).stream, 'board/1')
})

test("name prints the helper's element, with the position of the cable", async t => {
  const cable = await startCable(t)
  const env = { ANYCABLE_SECRET: SECRET, ANYCABLE_HTTP_BROADCAST_URL: cable.url.broadcast }

  const { stdout } = await hotcable(['name', 'board/1', '--html'], { env })

  const [, position] = / data-position="(\d+\/[\w-]+)"/.exec(stdout)!
  assert.equal(stdout, `${streamFrom('board/1', position!, { secret: SECRET })}\n`)
})

test('the element of a cable that does not answer has an unknown position', async () => {
  const env = { ...ENV, ANYCABLE_HTTP_BROADCAST_URL: NOWHERE }

  assert.equal(
    (await hotcable(['name', 'board/1', '--html'], { env })).stdout,
    `${streamFrom('board/1', '-', { secret: 'canary' })}\n`,
  )
})

test('name without a secret fails, and says how to get one', async () => {
  const { code, stdout, stderr } = await hotcable(['name', 'board/1'])

  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(stderr, 'hotcable: no secret for stream names: set ANYCABLE_SECRET (hotcable secret >> .env)\n')
})

for (const args of [[], ['a', 'b'], ['a', '--expires=soon'], ['a', '--secret=canary']] as const) {
  test(`name refuses ${JSON.stringify(args)}`, async () => {
    const { code, stdout, stderr } = await hotcable(['name', ...args], { env: ENV })

    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /^hotcable name /)
  })
}
