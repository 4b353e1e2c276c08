/**
 * Why the cable cannot listen, in a sentence that names the settings which say where. Pure.
 *
 *   cannot listen on 127.0.0.1:8090, as --http_broadcast_port says: the port is in use
 */
import type { Config } from './config.ts'

export function listenFailure({ host, settings, broadcastPort, api }: Config, error: NodeJS.ErrnoException): string {
  const { code = '', port = settings.port } = error as NodeJS.ErrnoException & { port?: number }
  const [reason, culprit] = REASONS[code] ?? [code, 'port']
  const ports = { port: settings.port, http_broadcast_port: broadcastPort, api_port: api?.port }
  const names =
    culprit === 'host' ? ['host'] : Object.keys(ports).filter(name => ports[name as keyof typeof ports] === port)
  const flags = names.map(name => `--${name}`)
  return `cannot listen on ${host}:${port}, as ${flags.join(' and ')} ${flags.length > 1 ? 'say' : 'says'}: ${reason}`
}

const REASONS: Record<string, readonly [reason: string, culprit: 'host' | 'port']> = {
  EADDRINUSE: ['the port is in use', 'port'],
  EADDRNOTAVAIL: ['this machine has no such address', 'host'],
  ENOTFOUND: ['there is no such host', 'host'],
  EACCES: ['this user may not use that port', 'port'],
}
