/**
 * Pongs of the protocol (--pong_timeout): after a ping, a client has this long to say anything at all.
 */
import type { PongWatch } from '../session/session-listener.ts'

/** Returns `undefined` where a client need not answer: `seconds` is 0. */
export const createPongWatches = (seconds: number): ((missing: () => void) => PongWatch) | undefined =>
  seconds > 0 ? missing => createPongWatch(seconds * 1000, missing) : undefined

function createPongWatch(timeoutMs: number, missing: () => void): PongWatch {
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    // A second ping does not give the client more time to answer the first.
    pinged: () => {
      timer ??= setTimeout(missing, timeoutMs)
    },
    heard: stop,
    stop,
  }
}
