/**
 * The hub: who listens to which stream, and how a broadcast reaches them.
 *
 *   stream ─▶ identifier ─▶ sessions
 *
 * Grouping by identifier lets us encode a frame once, however many are listening. Everything here is synchronous, so a
 * broadcast never interleaves with a subscribe. An idle hub holds nothing.
 */
import { broadcastPrefix } from './protocol/action-cable.ts'
import { textFrame } from './protocol/frame.ts'

/** What the hub needs of a session. */
export interface Subscriber {
  /** Takes a complete WebSocket frame; the Buffer is shared, so nobody may write into it. */
  deliver(frame: Buffer): void
  /** Whether the session has, or had before it was resumed, this sid. */
  answersTo(sid: string): boolean
}

export interface Message {
  readonly stream: string
  /** JSON text, UTF-8. */
  readonly body: Buffer
  /** What closes the frame: `}`, or the message's position and `}`. */
  readonly tail: Buffer
  /** The sid of a session that is not sent this, on every subscription it has. */
  readonly exclude?: string | undefined
  /** Becomes the frame's `type`. */
  readonly type?: string | undefined
  /** A client made it: it must not reach a page as HTML. */
  readonly fromClient?: boolean
}

interface Group {
  readonly prefix: Buffer
  readonly html: boolean
  readonly sessions: Set<Subscriber>
}

export class Hub {
  readonly #streams = new Map<string, Map<string, Group>>()

  /** How many streams have a listener. */
  get size(): number {
    return this.#streams.size
  }

  /** How many sessions listen to each, by identifier; a session with two identifiers counts twice. */
  *listeners(): Iterable<[stream: string, count: number]> {
    for (const [stream, groups] of this.#streams) {
      let count = 0
      for (const { sessions } of groups.values()) count += sessions.size
      yield [stream, count]
    }
  }

  /** `html`: what arrives is put into a page as it is. */
  subscribe(stream: string, identifier: string, session: Subscriber, html: boolean): void {
    const groups = this.#streams.get(stream) ?? new Map<string, Group>()
    const group = groups.get(identifier) ?? { prefix: broadcastPrefix(identifier), html, sessions: new Set() }
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
  broadcast({ stream, body, tail, exclude, type, fromClient = false }: Message): number {
    const groups = this.#streams.get(stream)
    if (groups === undefined) return 0
    let delivered = 0
    for (const [identifier, { prefix, html, sessions }] of groups) {
      if (html && fromClient) continue
      const frame = textFrame(type === undefined ? prefix : broadcastPrefix(identifier, type), body, tail)
      for (const session of sessions) {
        if (exclude !== undefined && session.answersTo(exclude)) continue
        session.deliver(frame)
        delivered++
      }
    }
    return delivered
  }
}
