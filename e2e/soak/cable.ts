/** The cable of a run: a process that is killed, and comes back on its port with nothing in its memory. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Server, startHotcable } from '../conformance/servers.ts'
import { derived, SECRET } from '../conformance/signing.ts'

export interface Cable {
  readonly port: number
  /** What the helpers take. */
  readonly backend: { readonly url: string; readonly key: string }
  /** Since when it lets clients in, by `performance.now()`; `undefined` while it is down. */
  readonly upSince: number | undefined
  start: (...settings: string[]) => Promise<void>
  kill: () => Promise<void>
}

export async function createCable(): Promise<Cable> {
  const port = await quietPort()
  let server: Server | undefined
  let upSince: number | undefined
  const end = () => server !== undefined && process.kill(server.pid, 'SIGKILL')
  process.once('exit', end)
  return {
    port,
    backend: { url: `http://127.0.0.1:${port}/_broadcast`, key: derived('broadcast-cable') },
    get upSince() {
      return upSince
    },
    async start(...settings) {
      server = await startHotcable([`--port=${port}`, `--secret=${SECRET}`, '--turbo_streams', ...settings])
      upSince = performance.now()
    },
    async kill() {
      upSince = undefined
      end()
      await server?.stop()
      server = undefined
    },
  }
}

/** Not one of those that outgoing connections are given: while the cable is down, one of them could take it. */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer().listen(port, '127.0.0.1')
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.close()
    if (free) return port
  }
}
