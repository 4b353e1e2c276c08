/**
 * Why the cable cannot listen, in a sentence that names the settings of that port, or of the host. Pure.
 *
 *   cannot listen on 127.0.0.1:8090 (--http_broadcast_port): the port is in use
 */
import type { Config } from './config.ts'

export function listenFailure(config: Config, error: NodeJS.ErrnoException): string {
  const { settings, broadcastPort, api, metricsPort, metricsHost } = config
  const { code = '', port = settings.port, address, hostname } = error as ListenError
  const [reason, culprit] = REASONS[code] ?? [code, 'port']
  const isMetrics = metricsHost !== undefined && [address, hostname].includes(metricsHost)
  const host = isMetrics ? metricsHost : config.host
  const ports = isMetrics
    ? { metrics_port: metricsPort }
    : { port: settings.port, http_broadcast_port: broadcastPort, api_port: api?.port, metrics_port: metricsPort }
  const ofPort = Object.entries(ports).filter(([, taken]) => taken === port)
  const names = culprit === 'host' ? [isMetrics ? 'metrics_host' : 'host'] : ofPort.map(([name]) => name)
  const fix = code === 'EADDRINUSE' && port === settings.port ? NEW_PORT : ''
  return `cannot listen on ${host}:${port} (${names.map(name => `--${name}`).join(', ')}): ${reason}${fix}`
}

interface ListenError extends NodeJS.ErrnoException {
  port?: number
  address?: string
  hostname?: string
}

/** The app has the default port, too. */
const NEW_PORT =
  '; with another port, the app needs ANYCABLE_WEBSOCKET_URL and ANYCABLE_HTTP_BROADCAST_URL with that port, in .env as well'

const REASONS: Record<string, readonly [reason: string, culprit: 'host' | 'port']> = {
  EADDRINUSE: ['the port is in use', 'port'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'host'],
  ENOTFOUND: ['the host does not exist', 'host'],
  EACCES: ['this user may not use that port', 'port'],
}
