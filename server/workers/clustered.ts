/**
 * A cable of several processes on one machine (--workers): Node's cluster shares the ports.
 */
import cluster from 'node:cluster'
import type { Cable } from '../cable.ts'
import type { Config } from '../config/config.ts'
import type { ProcessLog } from '../log.ts'
import { createPrimary } from './primary.ts'
import { runWorker } from './worker.ts'

/** Returns the whole cable. In a worker, runs that worker and returns `undefined`. */
export function createClustered(config: Config, { log }: { log: ProcessLog }): Cable | undefined {
  if (cluster.isPrimary) return createPrimary(config, { log })
  runWorker(config, log)
  return undefined
}
