/**
 * The cable of a run: a process that the soak kills and starts again on its port, with empty memory; or several, of which it
 * replaces one at a time (testing/with-nodes.ts).
 */
import { freePorts } from '../../start/network.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { derived, SECRET } from '../conformance/signing.ts'

export interface SoakCable {
  readonly port: number
  /** The settings that the helpers take. */
  readonly backend: { readonly url: string; readonly key: string }
  /** Since when clients can connect, by `performance.now()`; `undefined` while it is down. */
  readonly upSince: number | undefined
  start: (...settings: string[]) => Promise<void>
  kill: () => Promise<void>
  /** Replaces one of its processes; `undefined`: it is one. */
  readonly replace: RunningCable['replace']
}

export async function createSoakCable(): Promise<SoakCable> {
  const [port] = (await freePorts(1)) as [number]
  let running: RunningCable | undefined
  let upSince: number | undefined
  return {
    port,
    backend: { url: `http://127.0.0.1:${port}/_broadcast`, key: derived('broadcast-cable') },
    get upSince() {
      return upSince
    },
    get replace() {
      return running?.replace
    },
    async start(...settings) {
      running = await startCable([
        '--host=127.0.0.1',
        `--port=${port}`,
        `--secret=${SECRET}`,
        '--turbo_streams',
        ...settings,
      ])
      upSince = performance.now()
    },
    async kill() {
      upSince = undefined
      await running?.stop('SIGKILL')
      running = undefined
    },
  }
}
