/**
 * Cables with a broker that answers later, in one process (server/test/delayed-cables.ts): each sequence of the fuzzer has
 * one for itself, and decides when its broker is away.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { end, endsWithUs } from '../../testing/child.ts'
import type { Server } from './servers.ts'

const ROOT = resolve(import.meta.dirname, '../..')

export interface LateCables {
  /** MB that stay in use. */
  memory: () => Promise<number>
  /** `seed`: of the delays. */
  start: (flags: readonly string[], seed: number) => Promise<LateCable>
  stop: () => Promise<number | null>
}

export interface Forgetting {
  /** How often a broker forgot streams so far. */
  readonly forgotten: number
  /** Whether a broker has yet to forget the streams of publications that it did not take. */
  readonly isOwing: boolean
}

export interface LateCable extends Server {
  /** `undefined`: its broker is never away. */
  setAway?: (isAway: boolean) => Promise<void>
  /** Whether it is several nodes, which share Redis, or workers, which share the primary. */
  readonly isShared: boolean
  /** Resolves when its brokers have nothing under way. */
  settled: () => Promise<Forgetting>
}

export function startLateCables(nodeFlags: readonly string[]): LateCables {
  const child: ChildProcess = endsWithUs(
    spawn(process.execPath, [...nodeFlags, 'server/test/delayed-cables.ts'], {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  )
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
    waiting.get(id)!.resolve(answer)
    waiting.delete(id)
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the process of the cables ended: ${signal ?? code}`))
  })
  const ask = <T>(order: object, id = ++last): Promise<T> =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject })
      child.send({ id, ...order }, error => error && reject(error))
    })
  return {
    memory: async () => Math.round((await ask<number>({ asks: 'memory' })) / 2 ** 20),
    async start(flags, seed) {
      const id = ++last
      const own = ['--host=127.0.0.1', '--port=0', '--metrics_http=/metrics', ...flags]
      const url = await ask<{ cable: string; broadcast: string }>({ start: { seed, flags: own } }, id)
      const http = `http://${new URL(url.cable).host}`
      return {
        kind: 'hotcable',
        pid: child.pid!,
        ...url,
        nodes: [url.cable],
        http,
        metrics: [`${http}/metrics`],
        isShared: process.env.HOTCABLE_TEST_REDIS !== undefined,
        setAway: isAway => ask({ of: id, isAway }),
        settled: () => ask({ of: id, asks: 'settled' }),
        async stop() {
          await ask({ of: id, asks: 'stop' })
          return 0
        },
      }
    },
    stop: async () => (await end(child)).code,
  }
}
