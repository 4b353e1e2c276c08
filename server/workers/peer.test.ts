import assert from 'node:assert/strict'
import { duplexPair } from 'node:stream'
import { test } from 'node:test'
import { BrokerUnavailable } from '../broker.ts'
import { createPeer, encodeTold, type Offers } from './peer.ts'

interface Echo {
  echo: (value: unknown) => unknown
  later: (value: unknown) => Promise<unknown>
  away: () => never
}

function pair<Ours extends Offers<Ours>>(offers: Ours) {
  const [one, other] = duplexPair()
  const failures: unknown[] = []
  const parts = { closed() {}, heard() {}, failed: (error: unknown) => void failures.push(error) }
  createPeer<Ours, Record<never, never>>(other, { offers, ...parts })
  const asking = createPeer<Record<never, never>, Ours>(one, { offers: {}, ...parts })
  return { ...asking, asking, pipe: one, failures }
}

const ECHO: Echo = {
  echo: value => value,
  later: async value => value,
  away() {
    throw new BrokerUnavailable('it is away')
  },
}

test('values of any size and text arrive as they were, each answer at its question', async () => {
  const { ask } = pair(ECHO)
  const values = ['', 'é \ud800 \0', 'x'.repeat(3_000_000), { list: [undefined, 1] }, undefined]

  const answers = await Promise.all(values.flatMap(value => [ask('echo', value), ask('later', value)]))

  assert.deepEqual(
    answers,
    values.flatMap(value => [value, value]),
  )
})

test('frames may be cut anywhere', async () => {
  const heard: unknown[] = []
  const [one, other] = duplexPair()
  const offers = { echo: (value: unknown) => void heard.push(value) }
  createPeer(other, { offers, closed() {}, heard() {}, failed: assert.fail })
  const bytes = Buffer.concat(['one', 'two', 'x'.repeat(300)].map(text => encodeTold('echo', [text])))

  for (const byte of bytes) one.write(Buffer.of(byte))
  one.end()

  await new Promise(resolve => other.on('end', resolve))
  assert.deepEqual(heard, ['one', 'two', 'x'.repeat(300)])
})

test('an answer that a broker is away rejects as such; a bug is reported where it is, and rejects', async () => {
  const { ask, failures } = pair({
    ...ECHO,
    bug() {
      throw new Error('a bug')
    },
  })

  await assert.rejects(ask('away'), BrokerUnavailable)
  await assert.rejects(ask('bug'), { message: 'Error: a bug' })
  assert.deepEqual(failures.map(String), ['Error: a bug'])
})

test('what waits for an answer is rejected when the pipe closes, and so is what asks later', async () => {
  const { ask, pipe } = pair({ never: () => new Promise(() => {}) })
  const waiting = ask('never')

  pipe.destroy()

  await assert.rejects(waiting, BrokerUnavailable)
  await assert.rejects(ask('never'), BrokerUnavailable)
})
