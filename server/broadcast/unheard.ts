/**
 * Under --dev, logs each publication to a stream without listeners: its name is probably misspelt.
 *
 *   WRN 0 clients listen to this stream; 3 listen to the one with the most similar name stream=bord/1 similar=board/1
 *
 * Such a publication is legal, and a backend may send very many. So the log has one line per stream in five minutes, for
 * a hundred streams at most, and a name is compared with 200 others at most.
 */
import type { Clocks } from '../base/clocks.ts'
import { copyOf } from '../base/copy-of.ts'
import { nearest } from '../base/nearest.ts'
import { soon } from '../base/soon.ts'
import type { Hub } from '../hub/hub.ts'
import type { Log } from '../log.ts'
import type { Publish } from './backend.ts'

export interface UnheardParts extends Pick<Clocks, 'monotonic'> {
  hub: Pick<Hub, 'listeners' | 'hasListeners'>
  log: Log
}

const NONE = '0 clients listen to this stream'
const FORGET_MS = 5 * 60_000
const MOST_SAID = 100
const MOST_COMPARED = 200
const LONGEST_COMPARED = 64
const LONGEST_SAID = 200

/** Publishes as `publish` does, and logs publications that no client received. */
export function withUnheardLogged(publish: Publish, { hub, log, monotonic }: UnheardParts): Publish {
  const said = new Set<string>()
  let forgotten = monotonic()

  const look = (name: string): void => {
    if (hub.hasListeners(name)) return
    const stream = copyOf(name.slice(0, LONGEST_SAID))
    if (monotonic() - forgotten > FORGET_MS) {
      said.clear()
      forgotten = monotonic()
    }
    if (said.has(stream) || said.size >= MOST_SAID) return
    said.add(stream)
    const [similar, count] = mostSimilar(stream, hub) ?? []
    if (similar === undefined) log.info({ stream }, NONE)
    else log.warn({ stream, similar }, `${NONE}; ${count} listen to the one with the most similar name`)
  }

  return publications =>
    soon(publish(publications), published => {
      for (const { stream } of published) look(stream)
      return published
    })
}

function mostSimilar(stream: string, hub: UnheardParts['hub']): [stream: string, count: number] | undefined {
  if (stream.length > LONGEST_COMPARED) return undefined
  const counts = new Map<string, number>()
  let seen = 0
  for (const [name, count] of hub.listeners()) {
    if (name.length <= LONGEST_COMPARED) counts.set(name, count)
    if (++seen === MOST_COMPARED) break
  }
  const similar = nearest(stream, [...counts.keys()], () => Infinity)
  return similar === undefined ? undefined : [similar, counts.get(similar)!]
}
