/**
 * The hub: who listens to which stream, and how a broadcast reaches them.
 *
 *   stream ─▶ identifier ─▶ sessions
 *
 * Grouping by identifier lets us encode a frame once, however many are listening. Everything here is synchronous, so a
 * broadcast never interleaves with a subscribe. An idle hub holds nothing.
 */
import { BROADCAST_TAIL, broadcastPrefix } from './protocol/action-cable.ts'
import { textFrame } from './protocol/frame.ts'
import type { Publication } from './protocol/publication.ts'

/** What the hub needs of a session. */
export interface Subscriber {
  readonly sid: string
  /** Takes a complete WebSocket frame; the Buffer is shared, so nobody may write into it. */
  deliver(frame: Buffer): void
}

interface Group {
  readonly prefix: Buffer
  readonly sessions: Set<Subscriber>
}

export class Hub {
  readonly #streams = new Map<string, Map<string, Group>>()

  /** How many streams have a listener. */
  get size(): number {
    return this.#streams.size
  }

  subscribe(stream: string, identifier: string, session: Subscriber): void {
    const groups = this.#streams.get(stream) ?? new Map<string, Group>()
    const group = groups.get(identifier) ?? { prefix: broadcastPrefix(identifier), sessions: new Set() }
    this.#streams.set(stream, groups)
    groups.set(identifier, group)
    group.sessions.add(session)
  }

  unsubscribe(stream: string, identifier: string, session: Subscriber): void {
    const groups = this.#streams.get(stream)
    const group = groups?.get(identifier)
    if (groups === undefined || group === undefined) return
    group.sessions.delete(session)
    if (group.sessions.size > 0) return
    groups.delete(identifier)
    if (groups.size === 0) this.#streams.delete(stream)
  }

  /** Hands the message to every session that listens. Returns how many it was handed to. */
  broadcast({ stream, message, exclude, type }: Publication): number {
    const groups = this.#streams.get(stream)
    if (groups === undefined) return 0
    const body = Buffer.from(message)
    let delivered = 0
    for (const [identifier, { prefix, sessions }] of groups) {
      const frame = textFrame(type === undefined ? prefix : broadcastPrefix(identifier, type), body, BROADCAST_TAIL)
      for (const session of sessions) {
        if (session.sid === exclude) continue
        session.deliver(frame)
        delivered++
      }
    }
    return delivered
  }
}
