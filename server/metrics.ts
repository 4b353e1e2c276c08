/**
 * What the cable counts, under AnyCable's names where it has one.
 *
 * The hot path adds to plain numbers; Prometheus reads them when it asks (--metrics_http).
 */
import { Counter, Gauge, Registry } from 'prom-client'

const COUNTERS = {
  failed_auths_total: 'Sessions refused because of their token.',
  client_msg_total: 'Commands that clients sent.',
  failed_client_msg_total: 'Commands that were ignored.',
  publications_total: 'Requests of backends to broadcast or disconnect.',
  failed_broadcast_msg_total: 'Such requests that were refused.',
  broadcast_msg_total: 'Messages broadcast.',
  remote_commands_total: 'Remote disconnects.',
  server_msg_total: 'Frames sent to clients.',
  disconnected_slow_clients_total: 'Sessions cut because they read too slowly.',
  data_sent_total: 'Bytes sent to clients.',
  data_rcvd_total: 'Bytes received from clients.',
} as const

type Counts = { -readonly [name in keyof typeof COUNTERS]: number }

export interface Metrics extends Counts {
  /** Refusals of every kind, by their code. */
  refused: (code: string) => void
  /** Prometheus' text. */
  text: () => Promise<string>
}

/** `gauges` are read at each scrape. */
export function createMetrics(gauges: Record<string, [help: string, read: () => number]>): Metrics {
  const registry = new Registry()
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
  for (const [name, [help, read]] of Object.entries(gauges)) {
    new Gauge({
      name: PREFIX + name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  const refusals = new Counter({
    name: `${PREFIX}refusals_total`,
    help: 'Refusals by code.',
    labelNames: ['code'],
    registers: [registry],
  })
  return Object.assign(counts, { refused: (code: string) => refusals.inc({ code }), text: () => registry.metrics() })
}

const PREFIX = 'anycable_go_'
