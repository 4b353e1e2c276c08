import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '../metrics.ts'
import { createFleetNumbers } from './fleet-numbers.ts'
import type { OwnNumbers } from './numbers.ts'

/** A primary with two workers; `answer` answers for them, and `late` ends the time of the last one. */
function fleet(t: { after: (end: () => void) => void }) {
  let answer = async (worker: number): Promise<OwnNumbers> => numbersOf(worker, 1)
  let pass: (() => void)[] = []
  const metrics = createMetrics({})
  t.after(() => metrics.stop())
  const workers = new Map([1, 2].map(worker => [worker, { peer: { ask: () => answer(worker) } as never }]))
  const numbers = createFleetNumbers({
    workers: () => workers,
    own: { stats: () => ({}), metrics },
    isNode: false,
    later(_, then) {
      pass.push(then)
      return () => {
        pass = pass.filter(other => other !== then)
      }
    },
    failed: assert.fail,
  })
  return {
    numbers,
    workers,
    answers(next: typeof answer) {
      answer = next
    },
    late: () => pass.at(-1)!(),
  }
}

const numbersOf = (worker: number, sessions: number): OwnNumbers => ({
  worker,
  stats: { sessions, identities: 0, streams: 0 },
  streams: [],
  values: { broadcast_msg_total: sessions },
  metrics: [],
})

const sessions = async (stats: Promise<object>) => ((await stats) as { sessions: number }).sessions

test('a worker that does not answer in time counts as it did last', async t => {
  const { numbers, answers, late } = fleet(t)
  assert.equal(await sessions(numbers.stats()), 2)
  answers(worker => (worker === 1 ? Promise.resolve(numbersOf(1, 5)) : new Promise(() => {})))

  const stats = numbers.stats()
  late()

  assert.equal(await sessions(stats), 6)
})

test('the counts of a worker that is gone stay in the sums, also in an answer that began before', async t => {
  const { numbers, workers, answers } = fleet(t)
  assert.equal((await numbers.values()).broadcast_msg_total, 2)
  answers(async worker => {
    if (worker === 1) return numbersOf(1, 1)
    workers.delete(2)
    numbers.left(2)
    throw new Error('the other process is gone')
  })

  assert.equal((await numbers.values()).broadcast_msg_total, 2)
  assert.equal((await numbers.values()).broadcast_msg_total, 2)
})
