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
  failed: ReportFailure
}

export interface FleetNumbers extends Pick<PrimaryOffers, 'stats' | 'streams' | 'metrics'> {
  values: () => Promise<Record<string, number>>
  /** The worker is gone. */
  left: (worker: number) => void
}

export function createFleetNumbers({ workers, own, failed }: FleetNumbersParts): FleetNumbers {
  const last = new Map<number, OwnNumbers>()
  let departed: MetricJson[] = []
  const departedValues: Record<string, number> = {}

  const gather = async (): Promise<OwnNumbers[]> => {
    const asked = [...workers().values()].map(({ peer }) => peer.ask('numbers').catch(() => undefined))
    const found = (await Promise.all(asked)).filter(numbers => numbers !== undefined)
    for (const numbers of found) last.set(numbers.worker, numbers)
    return found
  }
  const primary = async () => ({
    stats: own.stats(),
    values: addAll(own.metrics.values(), departedValues),
    metrics: await own.metrics.json(),
  })

  return {
    stats: async () => sumStats(await primary(), await gather()),
    streams: async () => sumStreams(await gather()),
    metrics: async () => printMetrics(await primary(), await gather(), departed),
    values: async () => sumValues(await primary(), await gather()),
    left(worker) {
      const numbers = last.get(worker)
      if (numbers === undefined) return
      last.delete(worker)
      for (const [name, value] of Object.entries(numbers.values))
        if (name.endsWith('_total')) departedValues[name] = (departedValues[name] ?? 0) + value
      addUp([departed, numbers.metrics]).then(sums => {
        departed = sums
      }, failed)
    },
  }
}

const addAll = (values: Readonly<Record<string, number>>, more: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value + (more[name] ?? 0)]))
