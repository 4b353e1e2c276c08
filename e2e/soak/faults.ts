/** The faults, random but repeatable: each page has its own network, and all share one cable. */
import { setTimeout as pause } from 'node:timers/promises'
import type { TcpProxy } from '../../testing/proxy.ts'
import type { Random } from '../conformance/fuzz/random.ts'
import type { SoakCable } from './cable.ts'

/** The faults of a network, and their shares in percent. Most outages are shorter than the history of most streams. */
const FAULTS = [
  ['drop', 35],
  ['cut', 20],
  ['freeze', 20],
  ['half-open', 8],
  ['delay', 17],
] as const

export type Fault = (typeof FAULTS)[number][0] | 'kill'

export interface Chaos {
  readonly random: Random
  readonly stop: AbortSignal
  readonly begins: (fault: Fault) => void
  readonly ends: () => void
}

/** Breaks a network now and then until stopped, and leaves it whole. */
export async function trouble(network: TcpProxy, { random, stop, begins, ends }: Chaos): Promise<void> {
  const between = (from: number, to: number) => from + random.next() * (to - from)
  const wait = (from: number, to: number) => pause(between(from, to), undefined, { signal: stop }).catch(() => {})
  // Some networks break all the time, and some hardly ever.
  const rest = between(4_000, 40_000)
  for (;;) {
    await wait(0.2 * rest, 1.8 * rest)
    if (stop.aborted) return
    const fault = random.weighted(FAULTS)
    begins(fault)
    if (fault === 'drop') network.drop()
    else if (fault === 'cut') {
      network.cut()
      await wait(200, 5_000)
    } else if (fault === 'freeze') {
      network.freeze()
      await wait(500, 9_000)
    } else if (fault === 'half-open') {
      network.halfOpen()
      // Both clients give up sooner, after two missed pings; but a client without an answer to its handshake waits for ever.
      await wait(14_000, 20_000)
      network.drop()
    } else {
      network.delay(between(20, 300))
      await wait(1_000, 8_000)
    }
    network.pass()
    ends()
  }
}

/** Kills the cable now and then, or one of its nodes, until stopped. */
export async function killings(
  cable: SoakCable,
  settings: readonly string[],
  { random, stop, begins, ends }: Chaos,
): Promise<void> {
  for (;;) {
    await pause(35_000 + random.below(30_000), undefined, { signal: stop }).catch(() => {})
    if (stop.aborted) return
    begins('kill')
    if (cable.replace !== undefined) await cable.replace(random.below(3), random.below(2_000))
    else {
      await cable.kill()
      await pause(random.below(2_000))
      await cable.start(...settings)
    }
    ends()
  }
}
