/**
 * Shows the metrics: to Prometheus, which asks for them (--metrics_http), and at an interval in the log (--metrics_log).
 *
 *   2026-11-23 06:12:01.123 INF metrics context=metrics clients_num=2 client_msg_total=7
 *
 * In the log a counter, whose name ends in _total, shows its increase since the last line.
 */
import type { Every } from '../base/clocks.ts'
import { type Soon, soon } from '../base/soon.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Ports } from './ports.ts'
import type { Numbers } from './stats.ts'

export interface ShowMetricsSettings {
  /** `main`: the clients' port. */
  readonly metricsPort: number | 'main'
  /** `undefined`: the host of all other ports. */
  readonly metricsHost: string | undefined
  /** By their names. */
  readonly settings: {
    readonly metrics_http: string
    readonly metrics_log: boolean
    readonly metrics_rotate_interval: number
    readonly metrics_log_filter: readonly string[]
  }
}

export interface LogMetricsParts {
  values: () => Soon<Record<string, number>>
  every: Every
  log: Log
}

export interface ShowMetricsParts extends Omit<LogMetricsParts, 'values'> {
  ports: Pick<Ports, 'serve'>
  metrics: Pick<Metrics, 'values'>
  numbers: Pick<Numbers, 'text'>
}

export interface ShownMetrics {
  /** Where Prometheus asks; known once the cable listens. `undefined`: nowhere. */
  readonly url: string | undefined
  /** Ends the log of metrics. */
  stop: () => void
}

export function showMetrics(
  config: ShowMetricsSettings,
  { ports, metrics, numbers, ...parts }: ShowMetricsParts,
): ShownMetrics {
  const { metrics_http: path, metrics_log } = config.settings
  const listener = path === '' ? undefined : ports.serve(config.metricsPort, config.metricsHost)
  listener?.app.get(path, async c => c.text(await numbers.text()))
  return {
    get url() {
      return listener && listener.origin + path
    },
    stop: metrics_log ? logMetrics(config, { values: metrics.values, ...parts }) : () => {},
  }
}

/** Writes the metrics to the log. Returns a function that ends that. */
export function logMetrics(
  { settings: { metrics_rotate_interval: seconds, metrics_log_filter: names } }: Pick<ShowMetricsSettings, 'settings'>,
  { values, every, log }: LogMetricsParts,
): () => void {
  let before: Record<string, number> | undefined
  log.info({ context: 'metrics', interval_s: seconds }, 'metrics are logged at an interval')
  const show = (now: Record<string, number>) => {
    if (before === undefined) return begin(now)
    const last = before
    before = now
    const shown = Object.keys(now)
      .filter(name => names.length === 0 || names.includes(name))
      .sort()
      .map(name => [name, name.endsWith('_total') ? now[name]! - last[name]! : now[name]!])
    log.info({ context: 'metrics', ...Object.fromEntries(shown) }, 'metrics')
  }
  const begin = (first: Record<string, number>) => {
    before = first
    const unknown = names.filter(name => !Object.hasOwn(first, name))
    if (unknown.length > 0)
      log.warn({ names: unknown.join() }, '--metrics_log_filter names metrics that this cable does not have')
  }
  const look = () => void soon(values(), show)
  look()
  return every(seconds * 1000, look)
}
