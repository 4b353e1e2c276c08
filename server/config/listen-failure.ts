/**
 * Why the cable cannot listen, in a sentence that names the settings of that port, or of the host. Pure.
 *
 *   cannot listen on 127.0.0.1:8090 (--http_broadcast_port): the port is in use
 */
import type { Config } from './config.ts'

export function listenFailure({ host, settings, broadcastPort, api }: Config, error: NodeJS.ErrnoException): string {
  const { code = '', port = settings.port } = error as NodeJS.ErrnoException & { port?: number }
  const [reason, culprit] = REASONS[code] ?? [code, 'port']
  const ports = { port: settings.port, http_broadcast_port: broadcastPort, api_port: api?.port }
  const ofPort = (Object.keys(ports) as (keyof typeof ports)[]).filter(name => ports[name] === port)
  const flags = (culprit === 'host' ? ['host'] : ofPort).map(name => `--${name}`)
  return `cannot listen on ${host}:${port} (${flags.join(', ')}): ${reason}`
}

const REASONS: Record<string, readonly [reason: string, culprit: 'host' | 'port']> = {
  EADDRINUSE: ['the port is in use', 'port'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'host'],
  ENOTFOUND: ['the host does not exist', 'host'],
  EACCES: ['this user may not use that port', 'port'],
}
