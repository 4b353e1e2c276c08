/**
 * The hub: who listens to which stream, and how a broadcast reaches them.
 *
 *   stream ─▶ identifier ─▶ sessions
 *
 * Grouping by identifier lets us encode a frame once, however many are listening. Everything here is synchronous, so a
 * broadcast never interleaves with a subscribe. An idle hub holds nothing.
 */
import { countOf, type Few, withOne, withoutOne } from './few.ts'
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
  /** What follows the prefix: JSON text and what closes the frame, `}` or the message's position and `}`. UTF-8. */
  readonly body: Buffer
  /** The sid of a session that is not sent this, on every subscription it has. */
  readonly exclude?: string | undefined
  /** Becomes the frame's `type`. */
  readonly type?: string | undefined
  /** A client made it: it must not reach a page as HTML. */
  readonly fromClient?: boolean
}

interface Group {
  readonly identifier: string
  readonly html: boolean
  /** Made for the first broadcast. */
  prefix: Buffer | undefined
  sessions: Few<Subscriber>
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
      for (const { sessions } of groups.values()) count += countOf(sessions)
      yield [stream, count]
    }
  }

  /** `html`: what arrives is put into a page as it is. */
  subscribe(stream: string, identifier: string, session: Subscriber, html: boolean): void {
    let groups = this.#streams.get(stream)
    if (groups === undefined) {
      groups = new Map()
      this.#streams.set(stream, groups)
    }
    const group = groups.get(identifier)
    if (group !== undefined) group.sessions = withOne(group.sessions, session)
    else groups.set(identifier, { identifier, html, prefix: undefined, sessions: session })
  }

  unsubscribe(stream: string, identifier: string, session: Subscriber): void {
    const groups = this.#streams.get(stream)
    const group = groups?.get(identifier)
    if (groups === undefined || group === undefined) return
    const left = withoutOne(group.sessions, session)
    if (left !== undefined) {
      group.sessions = left
      return
    }
    groups.delete(identifier)
    if (groups.size === 0) this.#streams.delete(stream)
  }

  /** Hands the message to every session that listens. */
  broadcast({ stream, body, exclude, type, fromClient }: Message): void {
    const groups = this.#streams.get(stream)
    if (groups === undefined) return
    for (const group of groups.values()) {
      if (group.html && fromClient) continue
      const { identifier, sessions } = group
      group.prefix ??= broadcastPrefix(identifier)
      const frame = textFrame(type === undefined ? group.prefix : broadcastPrefix(identifier, type), body)
      if (!(sessions instanceof Set)) hand(sessions, frame, exclude)
      else for (const session of sessions) hand(session, frame, exclude)
    }
  }
}

function hand(session: Subscriber, frame: Buffer, exclude: string | undefined): void {
  if (exclude === undefined || !session.answersTo(exclude)) session.deliver(frame)
}
