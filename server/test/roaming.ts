/** Clients that come back to another node again and again, while broadcasts come. */
import assert from 'node:assert/strict'
import type { Random } from '../../e2e/conformance/fuzz/random.ts'
import { EXTENDED } from '../../testing/client.ts'
import { open, type TestCable, token } from './test-cable.ts'

const CLIENTS = 6
const MESSAGES = 60

/** Six clients read 60 messages of all nodes, each exactly once and in order; some of their sessions are restored. */
export async function roamAll(nodes: readonly TestCable[], random: Random): Promise<void> {
  let restored = 0
  const roaming = Array.from({ length: CLIENTS }, async () => {
    restored += await roam(nodes, random)
  })
  for (let n = 1; n <= MESSAGES; n++)
    assert.equal((await random.pick(nodes).post({ stream: 'a', data: `"${n}"` })).status, 201)
  await Promise.all(roaming)
  assert.ok(restored > 0, 'some sessions were restored')
}

/** Reads all messages as a stock client does. Returns how many of its sessions were restored. */
async function roam(nodes: readonly TestCable[], random: Random): Promise<number> {
  const got: number[] = []
  let sid = ''
  let restored = 0
  let epoch = (await nodes[0]!.position()).split(/[/-]/)[1]
  for (;;) {
    const query = `?jid=${token({ ext: '{"user":"ada"}' })}&sid=${sid}`
    const client = await random.pick(nodes).welcomed({ query, protocols: EXTENDED })
    sid = client.welcome.sid!
    const history = { streams: { a: { epoch, offset: got.at(-1) ?? 0 } } }
    const isRestored = client.welcome.restored_ids?.includes(open('a')) ?? false
    if (isRestored) restored++
    client.command(isRestored ? 'history' : 'subscribe', open('a'), { history })
    for (let left = 1 + random.below(15); left > 0; ) {
      const frame = await client.next()
      if (frame.offset === undefined) continue
      left--
      epoch = frame.epoch
      got.push(frame.offset)
      if (frame.offset < MESSAGES) continue
      assert.deepEqual(
        got,
        Array.from({ length: MESSAGES }, (_, n) => n + 1),
      )
      return restored
    }
    // Half of the time the old node does not notice before the new one restores the session.
    if (random.chance(0.5)) await client.drop()
  }
}
