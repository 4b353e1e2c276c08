/**
 * Broadcasts that come through Redis: the body of a POST, as AnyCable's adapters for backends write it.
 */
import type { ReportFailure } from '../base/failure.ts'
import type { Soon } from '../base/soon.ts'
import { RequestRefused } from '../errors.ts'
import { decodeBody } from '../http/body.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Backend } from './backend.ts'

export interface TakeParts {
  publish: Backend['publish']
  /** Bytes of the largest message. */
  maxSize: number
  metrics: Pick<Metrics, 'redis_msg_total' | 'redis_refused_msg_total' | 'refused'>
  failed: ReportFailure
  log: Log
}

/** Publishes a message. Returns why it could not: `broker_unavailable` may pass, all else is final. */
export type Take = (message: Buffer | undefined, name?: string) => Soon<RequestRefused | undefined>

/** Counts and logs what it refuses. `name` becomes the id of publications without one. */
export function createTake({ publish, maxSize, metrics, failed, log }: TakeParts): Take {
  const refuse = (error: unknown, name?: string): RequestRefused => {
    const refusal = error instanceof RequestRefused ? error : new RequestRefused('internal')
    const { code, message } = refusal
    if (refusal !== error) failed(error)
    metrics.refused(code)
    if (code === 'broker_unavailable') return refusal
    metrics.redis_refused_msg_total++
    log.warn({ code, ...(name === undefined ? {} : { entry: name }) }, `a broadcast from Redis is refused: ${message}`)
    return refusal
  }
  const took = () => {
    metrics.redis_msg_total++
    return undefined
  }
  return (message, name) => {
    try {
      if (message === undefined) throw new RequestRefused('publication_malformed', 'the entry has no field payload')
      if (message.length > maxSize) throw new RequestRefused('too_large')
      const done = publish(decodeBody(message), name)
      return done instanceof Promise ? done.then(took, error => refuse(error, name)) : took()
    } catch (error) {
      return refuse(error, name)
    }
  }
}
