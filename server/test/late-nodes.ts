/**
 * Cables of this process that share a real Redis, behind one front, for the fuzzer (delayed-cables.ts). A test cuts their way
 * to Redis.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createProxy } from '../../testing/proxy.ts'
import { type Cable, createCable } from '../cable.ts'
import { readConfig } from '../config/read.ts'
import type { Log } from '../log.ts'
import { behindOne } from './behind-one.ts'
import { type LateCable, watchUnpublished } from './late-cable.ts'
import { sharedStores } from './shared-stores.ts'

/** More than the time after which a changed session is stored. */
const STORE_MS = 60

export async function startLateNodes(
  count: number,
  redisUrl: string,
  flags: readonly string[],
  log: Log,
): Promise<LateCable> {
  const proxy = await createProxy(Number(new URL(redisUrl).port))
  const shared = ['--broker=redis', `--redis_url=redis://127.0.0.1:${proxy.port}`, `--redis_prefix=${randomUUID()}:`]
  const config = readConfig([...flags, ...shared], {})
  const stores = Array.from({ length: count }, () => sharedStores(config, log))
  const brokers = stores.map(({ wraps }) => wraps.wrapBroker!(undefined as never))
  const watches = brokers.map(watchUnpublished)
  const cables = stores.map(({ wraps }, at) => createCable(config, { log, ...wraps, wrapBroker: () => brokers[at]! }))
  await Promise.all(cables.map(cable => cable.listen()))
  // (A busy machine may take longer than a cable waits for Redis.)
  while (!brokers.every(({ well }) => well)) await pause(5)
  let isCut = false
  const { urls, closeFronts } = await behindOne(cables.map(({ url }) => url))
  return {
    urls,
    async setAway(isAway) {
      isCut = isAway
      if (isAway) proxy.cut()
      else proxy.pass()
      while (brokers.some(({ well }) => well === isAway)) await pause(5)
    },
    async settled() {
      const allSettled = () => isCut || Promise.all(stores.map(({ settled }) => settled()))
      await allSettled()
      await pause(STORE_MS)
      // (What a node asked while another one settled has come to all.)
      await allSettled()
      return {
        forgotten: watches.reduce((sum, { forgotten }) => sum + forgotten, 0),
        isOwing: watches.some(({ isOwing }) => isOwing),
      }
    },
    async stop() {
      await Promise.all(cables.map((cable: Cable) => cable.close()))
      await Promise.all([closeFronts(), proxy.close()])
    },
  }
}
