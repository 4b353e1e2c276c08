/**
 * The heap of a Node process after a collection, read by the inspector's protocol (--inspect).
 */
import { once } from 'node:events'
import type { MeasuredProgram } from './process.ts'

export const INSPECT = '--inspect=127.0.0.1:0'

export interface Inspector {
  /** Bytes in use after a collection. */
  heap: () => Promise<number>
  close: () => void
}

export async function inspect({ lines }: MeasuredProgram): Promise<Inspector> {
  const url = lines.map(line => /Debugger listening on (\S+)/.exec(line)?.[1]).find(found => found !== undefined)
  const socket = new WebSocket(url!)
  await once(socket, 'open')
  let asked = 0
  const ask = async (method: string) => {
    const id = ++asked
    socket.send(JSON.stringify({ id, method }))
    for (;;) {
      const [{ data }] = await once(socket, 'message')
      const answer = JSON.parse(data)
      if (answer.id === id) return answer.result
    }
  }
  return {
    async heap() {
      // What a finalizer frees is garbage only in the next turn.
      for (let i = 0; i < 3; i++) await ask('HeapProfiler.collectGarbage')
      return (await ask('Runtime.getHeapUsage')).usedSize
    },
    close: () => socket.close(),
  }
}
