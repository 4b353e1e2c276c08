/** Whispers: the messages of a client to the other clients of a stream, and where they are not allowed. */
import assert from 'node:assert/strict'
import type { Frame } from '../../../testing/client.ts'
import { CLOSED, OPEN, PUBLIC } from '../flags.ts'
import { cableReady, jwt, open, pubsub, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'
import { join } from './presence.ts'

export const whispers: Scenario[] = [
  ...(
    [
      ['text', 'hi', 'hi'],
      ['an object', { typing: true }, { typing: true }],
      ['a list', [1, 'a', null], [1, 'a', null]],
      ['a number', 0, 0],
      ['false', false, false],
      ['null, which becomes the text "null"', null, 'null'],
      ['no data, which becomes the text "null"', undefined, 'null'],
      ['markup and emoji', '<b>🦄</b>', '<b>🦄</b>'],
    ] as [string, unknown, unknown][]
  ).map(
    ([about, data, message]): Scenario => ({
      title: `a whisper reaches the other clients, and not its sender: ${about}`,
      flags: OPEN,
      async run(world) {
        const stream = world.stream()
        const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
        ada.command('whisper', pubsub(stream), { data })
        assert.deepEqual(await bob.next(), { identifier: pubsub(stream), message })
        assert.deepEqual(await world.everything(ada, stream), [])
      },
    }),
  ),
  {
    title: 'whispers of one session arrive in order',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      for (let i = 0; i < 50; i++) ada.command('whisper', pubsub(stream), { data: i })
      const heard = await Promise.all(Array.from({ length: 50 }, () => bob.next()))
      assert.deepEqual(
        heard.map(({ message }) => message),
        Array.from({ length: 50 }, (_, i) => i),
      )
    },
  },
  {
    title: 'the history does not keep a whisper',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      ada.command('whisper', pubsub(stream), { data: 'psst' })
      await bob.next()
      bob.command('history', pubsub(stream), { history: { since: 1 } })
      assert.deepEqual(await bob.history(), [{ type: 'confirm_history', identifier: pubsub(stream) }])
    },
  },
  {
    title: 'a signed name allows whispers only with --streams_whisper',
    flags: CLOSED,
    async run(world) {
      const stream = world.stream()
      const query = `?jid=${jwt({ ext: 'ada' })}`
      const [ada, bob] = [await world.welcomed({ query }), await world.welcomed({ query })]
      for (const client of [ada, bob]) await client.confirmed(pubsub(stream))
      ada.command('whisper', pubsub(stream), { data: 'psst' })
      assert.deepEqual(await ada.answers(), [])
      assert.deepEqual(await world.everything(bob, stream), [])
    },
  },
  {
    title: 'a public name allows whispers',
    flags: PUBLIC,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(open(stream)), await world.listening(open(stream))]
      ada.command('whisper', open(stream), { data: 1 })
      assert.equal((await bob.next()).message, 1)
    },
  },
  {
    title: 'the cable ignores a whisper of more than 16 KiB',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      ada.command('whisper', pubsub(stream), { data: 'x'.repeat(16_384) })
      assert.deepEqual(await ada.answers(), [])
      assert.deepEqual(await world.everything(bob, stream), [])
    },
    differs: {
      anycable: 'limits only the whole message',
      why: 'extension: --max_whisper_size; after 300 whispers of 60 KB all other clients of the stream were too slow',
      async run(world) {
        const stream = world.stream()
        const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
        ada.command('whisper', pubsub(stream), { data: 'x'.repeat(16_384) })
        assert.equal((await bob.next()).message, 'x'.repeat(16_384))
      },
    },
  },
  {
    title: 'an unsubscribed client cannot whisper',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      ada.command('unsubscribe', pubsub(stream))
      ada.command('whisper', pubsub(stream), { data: 'psst' })
      await ada.answers()
      assert.deepEqual(await world.everything(bob, stream), [])
    },
  },
  ...[turbo, cableReady].map((channel): Scenario => {
    const heard = async (world: World) => {
      const stream = world.stream()
      const [ada, page] = [await world.listening(pubsub(stream)), await world.listening(channel(stream))]
      ada.command('whisper', pubsub(stream), { data: '<script>alert(1)</script>' })
      join(ada, pubsub(stream), 'ada', '<script>alert(2)</script>')
      assert.equal((await ada.next()).type, 'presence')
      return (await world.everything(page, stream)) as Frame[]
    }
    return {
      title: `a client's message never reaches a page that would run it: ${JSON.parse(channel('a')).channel}`,
      flags: OPEN,
      async run(world) {
        assert.deepEqual(await heard(world), [])
      },
      differs: {
        anycable: 'delivers the whisper and the presence to the page',
        why: 'hole: the page shows it as HTML',
        async run(world) {
          assert.equal((await heard(world)).length, 2)
        },
      },
    }
  }),
  ...[turbo, cableReady].map((channel): Scenario => {
    const silent = async (world: World) => {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(channel(stream)), await world.listening(pubsub(stream))]
      ada.command('whisper', channel(stream), { data: 'psst' })
      join(ada, channel(stream), 'ada')
      ada.command('presence', channel(stream))
      const answers = await ada.answers()
      assert.deepEqual(await world.everything(bob, stream), [])
      return answers.map(({ message }) => message)
    }
    return {
      title: `a page can neither whisper nor be present, and gets an error if it asks for presence: ${JSON.parse(channel('a')).channel}`,
      flags: OPEN,
      async run(world) {
        assert.deepEqual(await silent(world), [{ type: 'error', total: 0 }])
      },
      differs: {
        anycable: 'does not answer',
        why: 'choice: a client that asks must not wait for ever',
        async run(world) {
          assert.deepEqual(await silent(world), [])
        },
      },
    }
  }),
]
