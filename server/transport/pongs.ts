/**
 * Pongs of the protocol (--pong_timeout): after a ping, a client has this long to say anything at all.
 */
import type { PongWatch } from '../session/session-listener.ts'

export function createPongWatch(timeoutMs: number, missing: () => void): PongWatch {
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    // A ping while one is unanswered gives no more time.
    pinged: () => {
      timer ??= setTimeout(missing, timeoutMs)
    },
    heard: stop,
    stop,
  }
}
