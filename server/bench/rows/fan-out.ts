/**
 * One broadcast, thousands of subscribers: a visit to a server measures the herd coming in, what it weighs, and what a
 * message costs with one under way and with sixteen.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, HTML, type Spent, spend, withServer } from '../bench.ts'
import type { Generator } from '../generator.ts'
import { type Peer, STREAM, type Target } from '../peers/peer.ts'
import { cpuMs, residentKiB } from '../process.ts'

/** `name` is what the figures are filed under. */
export interface Visit {
  name: string
  peer: Peer
  distinct?: boolean
}

export const FEW = 1_000
export const MANY = 10_000

export async function visit(bench: Bench, { name, peer, distinct = false }: Visit): Promise<void> {
  const { figures, quick, bytes } = bench
  const ms = quick ? 800 : 1_800
  await withServer(bench, peer, async (target, generator) => {
    let herdMs = 0
    const herd = async (count: number) => {
      herdMs += await connect(target, generator, count, distinct)
    }
    const measure = async (measure: string, window: number): Promise<Spent> => {
      await generator.run({ ms: ms / 4, window })
      const spent = await spend(target, generator, { ms, window })
      figures.add(`us ${measure}`, name, spent.us)
      figures.add(`server ${measure}`, name, spent.server)
      figures.add(`load ${measure}`, name, spent.load)
      figures.add(`last ${measure}`, name, ...spent.toLast)
      return spent
    }
    await herd(FEW)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
    const { sample } = await measure('1k', 1)
    figures.add('bytes', name, Buffer.byteLength(sample))
    const light = residentKiB(target.pid)
    await herd(MANY - FEW)
    figures.add('herd', name, (herdMs * 1000) / MANY)
    await measure('10k', 1)
    await measure('10k x16', 16)
    await pause(quick ? 500 : 2_000)
    figures.add('rss', name, (residentKiB(target.pid) - light) / (MANY - FEW))
  })
}

/** Lets clients in; returns what that cost the server, in ms of CPU. */
export async function connect(target: Target, generator: Generator, count: number, distinct = false): Promise<number> {
  const clients = await target.clients(count, { distinct })
  const before = cpuMs(target.pid)
  await generator.connect(target.port, clients, target)
  return cpuMs(target.pid) - before
}

/** How large our frame is. */
export async function frameSize(bench: Bench, peer: Peer): Promise<number> {
  return await withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, 1)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes: 0 }) }])
    // (As after some hundred messages, which the offset tells.)
    const { sample } = await generator.run({ ms: 1e4, most: 120 })
    return Buffer.byteLength(sample)
  })
}
