/**
 * The numbers of all processes, as one cable shows them: sums under the names of one process, and those of each worker.
 *
 *   anycable_go_clients_num 7          hotcable_worker_clients_num{worker="1"} 3
 */
import { AggregatorRegistry } from 'prom-client'
import type { Stats } from '../http/stats.ts'
import type { MetricJson } from '../metrics.ts'

/** What each worker tells the primary. */
export interface OwnNumbers {
  readonly worker: number
  readonly stats: Stats
  readonly streams: readonly (readonly [stream: string, subscriptions: number])[]
  /** By name: counters and gauges without labels. */
  readonly values: Readonly<Record<string, number>>
  readonly metrics: readonly MetricJson[]
}

type Own = Pick<OwnNumbers, 'stats' | 'metrics' | 'values'>

/** Adds the sessions of all workers. All else is the primary's, or with a broker elsewhere any worker's. */
export function sumStats({ stats: own }: Pick<Own, 'stats'>, workers: readonly OwnNumbers[], isNode: boolean): object {
  const stats = (isNode ? workers[0]?.stats : undefined) ?? own
  const sum = (name: 'sessions' | 'identities' | 'streams') =>
    workers.reduce((sum, { stats }) => sum + Number(stats[name]), 0)
  return {
    ...stats,
    sessions: sum('sessions'),
    identities: sum('identities'),
    streams: sum('streams'),
    workers: workers.map(({ worker, stats: { sessions, streams, history } }) => ({
      worker,
      sessions,
      streams,
      offset: (history as { offset: number } | undefined)?.offset,
    })),
  }
}

export function sumStreams(workers: readonly OwnNumbers[]): [stream: string, subscriptions: number][] {
  const sums = new Map<string, number>()
  for (const { streams } of workers)
    for (const [stream, subscriptions] of streams) sums.set(stream, (sums.get(stream) ?? 0) + subscriptions)
  return [...sums]
}

/** `departed`: the counters of workers that are gone. */
export const sumValues = (
  { values }: Own,
  workers: readonly OwnNumbers[],
  departed: Readonly<Record<string, number>>,
): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      workers.reduce((sum, { values }) => sum + (values[name] ?? 0), value + (departed[name] ?? 0)),
    ]),
  )

/** Returns Prometheus' text. `departed`: the counters of workers that are gone. */
export function printMetrics(
  { metrics }: Own,
  workers: readonly OwnNumbers[],
  departed: readonly MetricJson[],
): Promise<string> {
  const all = [metrics, departed, ...workers.flatMap(({ worker, metrics }) => [metrics, labelled(worker, metrics)])]
  return AggregatorRegistry.aggregate(all as unknown as object[]).metrics()
}

/** Adds counters and histograms, so that they never fall when a worker is replaced. */
export const addUp = (all: readonly (readonly MetricJson[])[]): Promise<MetricJson[]> =>
  AggregatorRegistry.aggregate(
    all.map(metrics => metrics.filter(({ type }) => String(type) !== 'gauge')) as unknown as object[],
  ).getMetricsAsJSON() as unknown as Promise<MetricJson[]>

const labelled = (worker: number, metrics: readonly MetricJson[]): MetricJson[] =>
  metrics
    .filter(({ type }) => String(type) !== 'histogram')
    .map(metric => ({
      ...metric,
      name: metric.name.replace('anycable_go_', 'hotcable_worker_'),
      help: `Of each worker: ${metric.help}`,
      values: metric.values.map(value => ({ ...value, labels: { ...value.labels, worker } })),
    }))
