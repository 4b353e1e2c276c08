/** The cable of a run: a process that is killed, and comes back on its port with nothing in its memory. */
import { freePorts } from '../../start/network.ts'
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
  const [port] = (await freePorts(1)) as [number]
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
