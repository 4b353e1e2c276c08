/**
 * The hub: who listens to which stream, and how a broadcast reaches them.
 *
 *   stream ─▶ identifier ─▶ sessions
 *
 * Grouping by identifier lets us encode a frame once, however many are listening. What is broadcast in one turn of the
 * event loop waits for its end, and leaves as one piece: the busier the cable is, the less a message costs. A stream
 * whose listeners change is brought up to date first, so a broadcast reaches exactly who was listening when it came. An
 * idle hub holds nothing.
 */
import { countOf, each, type Few, withOne, withoutOne } from './few.ts'
import { broadcastPrefix } from './protocol/action-cable.ts'
import { textFrame, textFrames } from './protocol/frame.ts'

/** What the hub needs of a session. */
export interface Subscriber {
  /**
   * Takes complete WebSocket frames, so many; the Buffer is shared, so nobody may write into it. `alone`: it is sent
   * nothing else in this turn.
   */
  deliver(frames: Buffer, count: number, alone: boolean): void
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

interface Stream {
  readonly groups: Map<string, Group>
  /** What waits for the end of the turn. */
  waiting: Message[]
}

/** Bytes that leave in one piece, about. */
const BATCH_SIZE = 64 * 1024
const NOTHING: Message[] = []

export class Hub {
  readonly #streams = new Map<string, Stream>()
  readonly #defer: (flush: () => void) => void
  /** Streams with something waiting. */
  #waiting: Stream[] = []

  /** `defer` calls back at the end of this turn of the event loop. */
  constructor(defer: (flush: () => void) => void) {
    this.#defer = defer
  }

  /** How many streams have a listener. */
  get size(): number {
    return this.#streams.size
  }

  /** How many sessions listen to each, by identifier; a session with two identifiers counts twice. */
  *listeners(): Iterable<[stream: string, count: number]> {
    for (const [stream, { groups }] of this.#streams) {
      let count = 0
      for (const { sessions } of groups.values()) count += countOf(sessions)
      yield [stream, count]
    }
  }

  /** `html`: what arrives is put into a page as it is. */
  subscribe(name: string, identifier: string, session: Subscriber, html: boolean): void {
    let stream = this.#streams.get(name)
    if (stream === undefined) {
      stream = { groups: new Map(), waiting: NOTHING }
      this.#streams.set(name, stream)
    }
    this.#deliver(stream, false)
    const group = stream.groups.get(identifier)
    if (group !== undefined) group.sessions = withOne(group.sessions, session)
    else stream.groups.set(identifier, { identifier, html, prefix: undefined, sessions: session })
  }

  unsubscribe(name: string, identifier: string, session: Subscriber): void {
    const stream = this.#streams.get(name)
    const group = stream?.groups.get(identifier)
    if (stream === undefined || group === undefined) return
    this.#deliver(stream, false)
    const left = withoutOne(group.sessions, session)
    if (left !== undefined) {
      group.sessions = left
      return
    }
    stream.groups.delete(identifier)
    if (stream.groups.size === 0) this.#streams.delete(name)
  }

  /** Hands the message to every session that listens, at the end of the turn. */
  broadcast(message: Message): void {
    const stream = this.#streams.get(message.stream)
    if (stream === undefined) return
    if (stream.waiting.length > 0) return void stream.waiting.push(message)
    stream.waiting = [message]
    if (this.#waiting.push(stream) === 1) this.#defer(this.#flush)
  }

  readonly #flush = () => {
    const streams = this.#waiting
    this.#waiting = []
    for (const stream of streams) this.#deliver(stream, streams.length === 1)
  }

  #deliver(stream: Stream, alone: boolean): void {
    const { waiting } = stream
    if (waiting.length === 0) return
    stream.waiting = NOTHING
    let bodies: Buffer[] = []
    let size = 0
    for (const message of waiting) {
      const { body, exclude, type, fromClient } = message
      const special = exclude !== undefined || type !== undefined || fromClient
      if (bodies.length > 0 && (special || size + body.length > BATCH_SIZE)) {
        this.#send(stream, bodies, false)
        bodies = []
        size = 0
      }
      if (special) this.#sendSpecial(stream, message)
      else {
        bodies.push(body)
        size += body.length
      }
    }
    if (bodies.length > 0) this.#send(stream, bodies, alone && bodies.length === waiting.length)
  }

  #send({ groups }: Stream, bodies: readonly Buffer[], alone: boolean): void {
    const count = bodies.length
    for (const group of groups.values()) {
      group.prefix ??= broadcastPrefix(group.identifier)
      const frames = textFrames(group.prefix, bodies)
      const { sessions } = group
      if (!(sessions instanceof Set)) sessions.deliver(frames, count, alone)
      else for (const session of sessions) session.deliver(frames, count, alone)
    }
  }

  #sendSpecial({ groups }: Stream, { body, exclude, type, fromClient }: Message): void {
    for (const { identifier, html, sessions } of groups.values()) {
      if (html && fromClient) continue
      const frame = textFrame(broadcastPrefix(identifier, type), body)
      for (const session of each(sessions)) {
        if (exclude === undefined || !session.answersTo(exclude)) session.deliver(frame, 1, false)
      }
    }
  }
}
