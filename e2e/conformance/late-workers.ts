/**
 * One cable of several workers for all sequences of the fuzzer. Its broker is in the primary, so that it is never away.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { LateCables } from './late-cables.ts'
import { type Server, startHotcable } from './servers.ts'
import { derived } from './signing.ts'

/** More than the time after which a worker tells the primary of a changed session. */
const STORE_MS = 5
/**
 * A signal reaches each worker, and its answer comes back, after all messages that the processes sent before. Each of those
 * may cause another one: a client's subscribe, the answer to its `listen`, its read of the history, the answer, its changed
 * session. So we send as many signals.
 */
const SIGNALS = 5

export function startLateWorkers(nodeFlags: readonly string[]): LateCables {
  let server: Promise<Server> | undefined
  return {
    async memory() {
      const { pid } = (await server) ?? {}
      return pid === undefined ? 0 : [pid, ...childrenOf(pid)].reduce((sum, one) => sum + residentMb(one), 0)
    },
    async start(flags) {
      server ??= startHotcable(flags, { nodeFlags })
      const cable = await server
      return {
        ...cable,
        isShared: true,
        async settled() {
          for (let signals = 0; signals < SIGNALS; signals++) {
            await pause(STORE_MS)
            await signal(cable)
          }
          return { forgotten: 0, isOwing: false }
        },
        stop: async () => 0,
      }
    },
    stop: async () => (await (await server)?.stop()) ?? null,
  }
}

/** Asks all workers to end a session that does not exist. */
async function signal({ http }: Server): Promise<void> {
  const headers = { authorization: `Bearer ${derived('api-cable')}` }
  const body = JSON.stringify({ sid: randomUUID() })
  const answer = await fetch(`${http}/api/disconnect`, { method: 'POST', headers, body })
  if (answer.status !== 200) throw new Error(`the cable answers a disconnect with ${answer.status}`)
  await answer.arrayBuffer()
}

const childrenOf = (pid: number): number[] =>
  read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .flatMap(child => Number(child) || [])

/** MB that a process has in memory; 0 where there is no Linux. */
export function residentMb(pid: number): number {
  const [, kb = 0] = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? []
  return Math.round(Number(kb) / 1024)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
