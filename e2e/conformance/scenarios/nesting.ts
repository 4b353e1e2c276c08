/** JSON that is deep, and numbers that a double cannot hold: what a command may carry. */
import assert from 'node:assert/strict'
import { OPEN } from '../flags.ts'
import { pubsub } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

/** Two clients of a stream: one whispers each JSON text; returns the messages that the other gets, as text. */
async function whispered(world: World, ...data: string[]): Promise<string[]> {
  const identifier = pubsub(world.stream())
  const [ada, bob] = [await world.listening(identifier), await world.listening(identifier)]
  for (const text of [...data, '"that was all"'])
    ada.send(`{"command":"whisper","identifier":${JSON.stringify(identifier)},"data":${text}}`)
  const messages: string[] = []
  for (;;) {
    const [, message] = /"message":(.*)\}$/s.exec(await bob.text()) ?? []
    if (message === '"that was all"') return messages
    messages.push(message!)
  }
}

export const nesting: Scenario[] = [
  {
    title: 'the cable obeys a command that is nested 64 levels deep',
    flags: OPEN,
    async run(world) {
      assert.deepEqual(await whispered(world, nested(63)), [nested(63)])
    },
  },
  {
    title: 'the cable ignores a command that is nested 65 levels deep, and the session goes on',
    flags: OPEN,
    async run(world) {
      assert.deepEqual(await whispered(world, nested(64)), [])
    },
    differs: {
      anycable: 'obeys it, up to 10,000 levels',
      why: 'choice: no client needs it, and readers that recurse exhaust their stack',
      async run(world) {
        assert.deepEqual(await whispered(world, nested(64)), [nested(64)])
      },
    },
  },
  {
    title: 'the cable rejects an identifier that is nested 65 levels deep',
    flags: OPEN,
    async run(world) {
      const identifier = pubsub(world.stream(), { x: JSON.parse(nested(64)) })
      const client = await world.welcomed()
      assert.deepEqual(await client.subscribe(identifier), { type: 'reject_subscription', identifier })
    },
    differs: {
      anycable: 'confirms it, up to 10,000 levels',
      why: 'choice: no page needs it',
      async run(world) {
        await (await world.welcomed()).confirmed(pubsub(world.stream(), { x: JSON.parse(nested(64)) }))
      },
    },
  },
  {
    title: 'the numbers of a whisper arrive unchanged',
    flags: OPEN,
    async run(world) {
      const numbers = ['123456789012345678901234567890', '1e-400', '-0', '1.0']
      assert.deepEqual(await whispered(world, ...numbers), numbers)
    },
    differs: {
      anycable: 'rounds them to 64 bits',
      why: 'choice: the cable does not change what a client sends',
      async run(world) {
        const [large] = await whispered(world, '123456789012345678901234567890')
        assert.equal(large, '1.2345678901234568e+29')
      },
    },
  },
]
