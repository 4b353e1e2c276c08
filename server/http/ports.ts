/**
 * The routes of each port: several settings may share a port, and clients connect on the first.
 */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { REQUEST_REFUSALS } from '../errors.ts'
import type { Log } from '../log.ts'
import { createListener, type HttpListener, type ListenerSettings } from './listener.ts'
import { offersWebSocket, type Upgrade } from './upgrade.ts'

export interface Ports {
  /**
   * Returns the listener of a port, and creates it for the first caller. The first port is the clients', also called `main`.
   * `host`: another address than that of all other ports.
   */
  serve: (port: number | 'main', host?: string) => HttpListener
  listen: (host: string) => Promise<void>
  close: (timeoutMs: number) => Promise<void>
}

export interface PortSettings extends Omit<ListenerSettings, 'failed' | 'isCrowded'> {
  /** Whether this many connections that are not sessions are too many. */
  isCrowded: (connections: number) => boolean
  /** How many connections of the clients' port are sessions. */
  sessions: () => number
  log: Log
}

export function createPorts(upgrade: Upgrade, { log, isCrowded, sessions, ...settings }: PortSettings): Ports {
  const failed = ({ stack }: Error) => log.error({ stack }, 'a request failed')
  const ports: { port: number; host: string | undefined; listener: HttpListener }[] = []

  return {
    serve(port, host) {
      const isTaken = (taken: { port: number; host: string | undefined }) =>
        taken.port === port && taken.host === host && port !== 0
      const found = port === 'main' ? ports[0] : ports.find(isTaken)
      if (found !== undefined) return found.listener
      const isForClients = ports.length === 0
      const upgrades = isForClients ? upgrade : { ...upgrade, paths: [] }
      const listener = createListener(createApp(failed, upgrades), upgrades, {
        ...settings,
        isCrowded: connections => isCrowded(isForClients ? connections - sessions() : connections),
        failed,
      })
      ports.push({ port: port as number, host, listener })
      return listener
    },
    async listen(host) {
      for (const { port, host: own = host, listener } of ports) await listener.listen(own, port)
    },
    async close(timeoutMs) {
      await Promise.all(ports.map(({ listener }) => listener.close(timeoutMs)))
    },
  }
}

function createApp(failed: (error: Error) => void, { paths }: Upgrade): Hono {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.notFound(c => {
    if (paths.length > 0 && offersWebSocket(c.env.incoming))
      return c.text(`There is no WebSocket at ${c.req.path}: WebSockets are at ${paths.join(' and ')}.\n`, 404)
    const [status, message] = REQUEST_REFUSALS.not_found
    return c.json({ error: 'not_found', message }, status)
  })
  app.onError((error, c) => {
    failed(error)
    const [status, message] = REQUEST_REFUSALS.internal
    return c.json({ error: 'internal', message }, status)
  })
  return app as unknown as Hono
}
