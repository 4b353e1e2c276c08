/**
 * Asks all workers for their numbers. Counters of workers that are gone stay in the sums, as we last knew them.
 */
import type { ReportFailure } from '../base/failure.ts'
import type { OwnCounts } from '../http/stats.ts'
import type { MetricJson } from '../metrics.ts'
import { addUp, type OwnNumbers, printMetrics, sumStats, sumStreams, sumValues } from './numbers.ts'
import type { PrimaryOffers } from './offers.ts'
import type { Seat } from './seat.ts'

export interface FleetNumbersParts {
  /** By number. */
  workers: () => ReadonlyMap<number, Pick<Seat, 'peer'>>
  /** The primary's. */
  own: Pick<OwnCounts, 'stats' | 'metrics'>
  /** Whether the workers have stores elsewhere. */
  isNode: boolean
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  failed: ReportFailure
}

export interface FleetNumbers extends Pick<PrimaryOffers, 'stats' | 'streams' | 'metrics'> {
  values: () => Promise<Record<string, number>>
  /** The worker is gone. */
  left: (worker: number) => void
}

/** Of a worker that does not answer in time, we show the last numbers. Prometheus waits for 10 s. */
const ANSWER_MS = 2_000

export function createFleetNumbers({ workers, own, isNode, later, failed }: FleetNumbersParts): FleetNumbers {
  const last = new Map<number, OwnNumbers>()
  let departed: Promise<MetricJson[]> = Promise.resolve([])
  const departedValues: Record<string, number> = {}

  const ask = (worker: number, peer: Seat['peer']) =>
    new Promise<OwnNumbers | undefined>(resolve => {
      const cancel = later(ANSWER_MS, () => resolve(last.get(worker)))
      peer.ask('numbers').then(
        numbers => {
          cancel()
          last.set(worker, numbers)
          resolve(numbers)
        },
        () => {
          cancel()
          resolve(undefined)
        },
      )
    })
  const gather = async (): Promise<OwnNumbers[]> => {
    const found = await Promise.all(Array.from(workers(), ([worker, { peer }]) => ask(worker, peer)))
    return found.filter(numbers => numbers !== undefined)
  }
  const primary = async () => ({
    stats: own.stats(),
    values: own.metrics.values(),
    metrics: await own.metrics.json(),
  })

  return {
    stats: async () => sumStats({ stats: own.stats() }, await gather(), isNode),
    streams: async () => sumStreams(await gather()),
    async metrics() {
      const [ours, theirs] = await Promise.all([primary(), gather()])
      return printMetrics(ours, theirs, await departed)
    },
    async values() {
      const [ours, theirs] = await Promise.all([primary(), gather()])
      return sumValues(ours, theirs, departedValues)
    },
    left(worker) {
      const numbers = last.get(worker)
      if (numbers === undefined) return
      last.delete(worker)
      for (const [name, value] of Object.entries(numbers.values))
        if (name.endsWith('_total')) departedValues[name] = (departedValues[name] ?? 0) + value
      departed = departed.then(sums => addUp([sums, numbers.metrics]))
      departed.catch(failed)
    },
  }
}
