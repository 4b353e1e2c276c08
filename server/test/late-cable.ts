/** For tests: a cable whose broker answers later, and what the broker did not take, and so must forget. */
import type { Broker } from '../broker.ts'
import type { Cable } from '../cable.ts'

export interface LateCable {
  readonly urls: Cable['url']
  setAway: (isAway: boolean) => void | Promise<void>
  /** Resolves when nothing is under way. */
  settled: () => Promise<Unpublished>
  stop: () => Promise<void>
}

export interface Unpublished {
  /** How often it forgot streams. */
  forgotten: number
  /** Whether it has yet to forget the streams of publications that it did not take. */
  isOwing: boolean
}

/** Watches the broker from now on. */
export function watchUnpublished(broker: Broker): Unpublished {
  const watch = { forgotten: 0, isOwing: false }
  const { publish, forget } = broker
  broker.publish = async publications => {
    try {
      return await publish(publications)
    } catch (error) {
      watch.isOwing = true
      throw error
    }
  }
  broker.forget = async lost => {
    await forget(lost)
    watch.forgotten++
    watch.isOwing = false
  }
  return watch
}
