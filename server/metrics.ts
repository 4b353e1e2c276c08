/**
 * The cable's counters, under AnyCable's names where it has one.
 *
 * The hot path adds to plain numbers; Prometheus reads them when it asks (--metrics_http).
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, type Metric, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client'
import type { RefusalCode } from './errors.ts'

const COUNTERS = {
  failed_auths_total: 'Sessions refused because of their token.',
  client_msg_total: 'Commands that clients sent.',
  failed_client_msg_total: 'Messages of clients that are not commands, and ignored commands.',
  publications_total: 'Accepted requests of backends to broadcast or disconnect.',
  failed_broadcast_msg_total: 'Refused requests of backends, on every route.',
  broadcast_msg_total: 'Messages broadcast.',
  repeated_broadcast_msg_total:
    'Messages that the cable did not broadcast again, because it had already published their id.',
  outbox_rows_total: 'Rows of the outbox that were published.',
  outbox_refused_rows_total: 'Rows of the outbox that the cable set aside, because it could not publish them.',
  redis_msg_total: 'Broadcasts from Redis that were published.',
  redis_refused_msg_total:
    'Broadcasts from Redis that the cable could not publish; it set those of --redisx_stream aside.',
  authorize_call_total: 'Questions to --subscribe_url, each attempt counted.',
  authorize_error_total: 'Questions to --subscribe_url without an answer.',
  authorize_retries_total: 'Questions to --subscribe_url that the cable repeated.',
  remote_commands_total: 'Remote disconnects.',
  server_msg_total: 'Frames sent to clients.',
  disconnected_slow_clients_total: 'Sessions cut because they read too slowly.',
  live_msg_dropped_total: 'Whispers and presence events that the cable dropped, because the broker was away.',
  commands_delayed_total: 'Times that a client had to wait, because it sent commands faster than --max_command_rate.',
  refreshes_total: 'Times that the cable asked a page to refresh.',
  refreshes_held_back_total:
    'Gaps of a stream for which the cable had asked the same page to refresh less than 30 s ago.',
  data_sent_total: 'Bytes sent to clients.',
  data_rcvd_total: 'Bytes received from clients.',
} as const

type Counts = { -readonly [name in keyof typeof COUNTERS]: number }

export interface Metrics extends Counts {
  /** Refusals, cuts, gaps and ignored commands, by their code. */
  refused: (code: RefusalCode) => void
  /** Successful verifications, by kind and by key: 0 is the present key. */
  verified: (kind: 'jwt' | 'streams' | 'broadcast' | 'api', key: number) => void
  /** Time that a command took, ms. */
  commandTook: (ms: number) => void
  /** Time from a publication until we wrote it to the last socket, ms. */
  broadcastTook: (ms: number) => void
  /** All counters and gauges without labels, by their names without the prefix. */
  values: () => Record<string, number>
  /** Prometheus' text. */
  text: () => Promise<string>
  /** The same as objects. */
  json: () => Promise<MetricJson[]>
  stop: () => void
}

export type MetricJson = MetricObjectWithValues<MetricValue<string>>

/** A number: its help text, its present value, and what the one of several processes is. By default that is the sum. */
export type Gauges = Record<string, readonly [help: string, read: () => number, together?: 'min' | undefined]>

/** Reads `gauges` at each scrape; those with a name in _total only rise. `tags` are labels of every metric. */
export function createMetrics(gauges: Gauges, tags: readonly (readonly [name: string, value: string])[] = []): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels(Object.fromEntries(tags))
  const counts = Object.fromEntries(Object.keys(COUNTERS).map(name => [name, 0])) as Counts
  for (const [name, help] of Object.entries(COUNTERS)) {
    const read = () => counts[name as keyof Counts]
    new Counter({
      name: PREFIX + name,
      help,
      registers: [registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
  for (const [name, [help, read, together]] of Object.entries(gauges)) {
    const options = { name: PREFIX + name, help, registers: [registry], aggregator: together ?? ('sum' as const) }
    if (name.endsWith('_total')) {
      new Counter({
        ...options,
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    } else {
      new Gauge({
        ...options,
        collect() {
          this.set(read())
        },
      })
    }
  }
  const refusals = new Map<RefusalCode, number>()
  new Counter({
    name: `${PREFIX}refusals_total`,
    help: 'Refusals by code.',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [code, count] of refusals) this.inc({ code }, count)
    },
  })
  const verified = new Map<string, number[]>()
  new Counter({
    name: `${PREFIX}verified_total`,
    help: 'Tokens, names and keys that were verified, by kind and key.',
    labelNames: ['kind', 'key'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [kind, counts] of verified)
        counts.forEach((count, key) => {
          this.inc({ kind, key: key === 0 ? 'present' : `previous_${key}` }, count)
        })
    },
  })
  const timed = (name: string, help: string) => {
    const { metric, took } = createTimes(PREFIX + name, help)
    registry.registerMetric(metric)
    return took
  }
  const commandTook = timed('command_seconds', 'Time that a command of a client took.')
  const broadcastTook = timed('broadcast_seconds', 'Time from a publication until it was written to the last socket.')

  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  new Gauge({
    name: `${PREFIX}event_loop_lag_seconds`,
    help: 'Lag of the event loop since the last scrape, 99th percentile.',
    registers: [registry],
    aggregator: 'max',
    collect() {
      this.set(Math.max(0, delay.percentile(99) - 20e6) / 1e9)
      delay.reset()
    },
  })

  return Object.assign(counts, {
    refused: (code: RefusalCode) => void refusals.set(code, (refusals.get(code) ?? 0) + 1),
    verified(kind: string, key: number) {
      const counts = verified.get(kind) ?? []
      if (counts.length === 0) verified.set(kind, counts)
      counts[key] = (counts[key] ?? 0) + 1
    },
    commandTook,
    broadcastTook,
    values: () => ({
      ...Object.fromEntries(Object.keys(COUNTERS).map(name => [name, counts[name as keyof Counts]])),
      ...Object.fromEntries(Object.entries(gauges).map(([name, [, read]]) => [name, read()])),
    }),
    text: () => registry.metrics(),
    json: () => registry.getMetricsAsJSON(),
    stop: () => delay.disable(),
  })
}

/** A histogram of times. prom-client's takes longer than some commands. */
function createTimes(name: string, help: string): { metric: Metric; took: (ms: number) => void } {
  const counts = [...SECONDS, Infinity].map(() => 0)
  let total = 0
  const get = async () => {
    let count = 0
    const buckets = counts.map((inBucket, at) => {
      count += inBucket
      return { metricName: `${name}_bucket`, labels: { le: SECONDS[at] ?? '+Inf' }, value: count }
    })
    const sums = [
      { metricName: `${name}_sum`, labels: {}, value: total / 1000 },
      { metricName: `${name}_count`, labels: {}, value: count },
    ]
    return { name, help, type: 'histogram', aggregator: 'sum', values: [...buckets, ...sums] }
  }
  return {
    metric: { name, get } as unknown as Metric,
    took(ms) {
      let at = 0
      while (at < SECONDS.length && ms > SECONDS[at]! * 1000) at++
      counts[at]!++
      total += ms
    },
  }
}

const SECONDS = [0.00001, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]

const PREFIX = 'anycable_go_'
