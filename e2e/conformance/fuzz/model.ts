/**
 * A model of the cable, in the smallest form that can be compared with one: its listeners, its messages, the frames that it owes.
 *
 *   command or broadcast ─▶ model ─▶ frames that are owed, in order ─▶ compared with what came
 *
 * Messages are JSON text, compared character by character: parsed and printed again, a large number is another.
 *
 * A message is known by where it is in its stream. The offset that the cable gives it is learned when it is first seen,
 * and must be the same ever after, and rise. Pure: no sockets, no clock.
 */
import assert from 'node:assert/strict'
import type { Frame } from '../../../testing/client.ts'
import { print, type Text } from './json.ts'

export interface Message {
  readonly body: string
  readonly type?: string | undefined
  readonly exclude?: string | undefined
  /** The cable publishes an id once. */
  readonly id?: string | undefined
  /** The history keeps only the newest. */
  readonly key?: string | undefined
  /** A newer one with its key has taken its place in the history. */
  isReplaced?: boolean
  /** Learned. */
  offset?: number
  epoch?: string
}

/** Where a page or a client says that it is: an index into the stream. */
export type Place = number | 'gap' | undefined

export interface Subscription {
  readonly identifier: string
  readonly stream: string
  readonly kind: 'turbo' | 'html' | 'data'
  /** What the identifier says. */
  readonly page: Place
  live: boolean
  /** Everything from here on was sent. */
  covered: number
  /** Whether a frame has named it to the client since it connected. */
  confirmed: boolean
  /** Whether its page has a position, and was to refresh itself: it is not restored. */
  healing: boolean
  /** While it is not live: what no history holds, and how many messages the stream had then. */
  late: { at: number; owed: Owed }[]
}

/** What a client asks the history for. */
export interface Asked {
  /** What goes over the wire; `undefined`: nothing. */
  readonly wire: object | undefined
  readonly place: Place
  readonly since: 'all' | 'none' | 'gap' | undefined
}

/** A member of a stream, as a client announces it. */
export interface Member {
  readonly id: string
  readonly info: Text | undefined
}

/** Bytes of JSON; --max_whisper_size. */
const LARGEST_WHISPER = 16_384
/** Bytes of a member's id and of its info as JSON; --max_presence_info_size. */
const LARGEST_MEMBER = 4_096

export interface Owed {
  readonly frame: Frame
  readonly message?: Message | undefined
}

export interface Telling {
  /** Those of one origin keep their order. */
  origin: string
  exclude?: string | undefined
  fromClient?: boolean
  /** No history holds it. */
  transient: boolean
}

/** By a client. */
const SAID = { fromClient: true, transient: true }

export class Listener {
  /** The present one first, then those it was resumed from. */
  sids: string[] = []
  readonly subscriptions = new Map<string, Subscription>()
  connected = false
  /** Whether a lost session can be resumed. */
  resumable = false
  /** Whether it speaks the extended protocol. */
  extended = false
  readonly ears: Ears

  constructor(ears: Ears) {
    this.ears = ears
  }
}

/** What a listener is owed, and what came. */
export interface Ears {
  /** Where a page may be told to refresh itself. */
  readonly gaps: Set<string>
  owe: (...group: Owed[]) => void
  /** Takes what came up to the answer of a ping, which was sent after all commands. */
  hear: (frames: readonly Frame[]) => void
}

/** Of a cable whose broker answers at once: everything comes in one order. */
export class PromptEars implements Ears {
  /** Frames that are owed; those of one event in any order. */
  #owed: Owed[][] = []
  readonly gaps = new Set<string>()

  owe(...group: Owed[]): void {
    if (group.length > 0) this.#owed.push(group)
  }

  /** Compares what came with what was owed; nothing is owed afterwards. */
  hear(frames: readonly Frame[]): void {
    const came = frames.filter(frame => !this.#isRefresh(frame))
    for (const group of this.#owed.splice(0)) {
      const rest = [...group]
      for (const frame of came.splice(0, group.length)) {
        const { offset, epoch, refresh, ...bare } = frame
        assert.ok(refresh === undefined || this.gaps.has(frame.identifier ?? ''), JSON.stringify(frame))
        const at = rest.findIndex(owed => same(owed.frame, bare))
        assert.ok(at >= 0, `came ${JSON.stringify(frame)}\nowed ${JSON.stringify(rest.map(owed => owed.frame))}`)
        const [{ message }] = rest.splice(at, 1) as [Owed]
        if (message) learn(message, offset, epoch)
        else assert.equal(offset, undefined)
      }
      assert.deepEqual(
        rest.map(({ frame }) => frame),
        [],
        'owed, and did not come',
      )
    }
    assert.deepEqual(came, [], 'came, and was not owed')
  }

  #isRefresh(frame: Frame): boolean {
    return this.gaps.has(frame.identifier ?? '') && isRefresh(frame)
  }
}

export const isRefresh = ({ message }: Frame): boolean =>
  String(message).startsWith('"<turbo-stream action=\\"refresh\\"')

interface Present {
  info: Text | undefined
  readonly sids: Set<string>
}

export class Room {
  readonly listeners: readonly Listener[]
  readonly #streams = new Map<string, Message[]>()
  /** stream → id → the member's info and sessions */
  readonly #present = new Map<string, Map<string, Present>>()
  /** The ids that were published. */
  readonly #published = new Set<string>()

  constructor(listeners: readonly Listener[]) {
    this.listeners = listeners
  }

  messages(stream: string): Message[] {
    const messages = this.#streams.get(stream) ?? []
    this.#streams.set(stream, messages)
    return messages
  }

  streams(): Iterable<string> {
    return this.#streams.keys()
  }

  /** A message whose offset is known, and the place behind it. */
  known(stream: string): { message: Message; place: Place }[] {
    return this.messages(stream).flatMap((message, at) =>
      message.offset === undefined ? [] : [{ message, place: this.placeAfter(stream, at) }],
    )
  }

  protected placeAfter(_stream: string, at: number): Place {
    return at + 1
  }

  /** The first message that a time can bring back. */
  protected oldest(_stream: string): number {
    return 0
  }

  /** The session of a listener goes on, and each of its subscriptions waits for it to say where it is. */
  resume(listener: Listener): void {
    for (const subscription of listener.subscriptions.values())
      Object.assign(subscription, { live: false, confirmed: false })
  }

  /** The connection of a listener is gone. */
  lost(_listener: Listener): void {}

  /** Whether a backend has published its id. */
  isPublished({ id }: Message): boolean {
    return id !== undefined && this.#published.has(id)
  }

  /** Returns whether its id is new. */
  broadcast(stream: string, message: Message, transient: boolean): boolean {
    const { body, type, exclude, id } = message
    if (this.isPublished(message)) return false
    if (id !== undefined) this.#published.add(id)
    if (!transient) {
      for (const older of this.messages(stream)) if (replaces(message, older)) older.isReplaced = true
      this.messages(stream).push(message)
    }
    this.tell(
      stream,
      identifier => ({
        frame: { ...(type ? { type } : {}), identifier, message: body, ...(transient ? {} : { stream_id: stream }) },
        message: transient ? undefined : message,
      }),
      { origin: 'backend', exclude, transient },
    )
    return true
  }

  whisper(from: Listener, { stream, kind }: Subscription, { json }: Text): void {
    if (kind !== 'data' || Buffer.byteLength(json) > LARGEST_WHISPER) return
    const message = json === 'null' ? '"null"' : json
    const sid = from.sids[0]!
    this.tell(stream, identifier => ({ frame: { identifier, message } }), { origin: sid, exclude: sid, ...SAID })
  }

  subscribe(listener: Listener, subscription: Subscription, asked: Asked): void {
    listener.subscriptions.set(subscription.identifier, subscription)
    listener.ears.owe({ frame: { type: 'confirm_subscription', identifier: subscription.identifier } })
    const { page, live, covered } = subscription
    subscription.confirmed = true
    const place = live ? covered : (page ?? this.placeOf(subscription, asked))
    this.#replay(listener, subscription, place, asked.wire !== undefined)
  }

  history(listener: Listener, subscription: Subscription, asked: Asked): void {
    const { page } = subscription
    const place = asked.place ?? page ?? this.placeOf(subscription, asked)
    this.#replay(listener, subscription, place, true)
  }

  protected placeOf({ stream }: Subscription, { place, since }: Asked): Place {
    if (place !== undefined || since === 'gap') return place ?? 'gap'
    return since === 'all' ? this.oldest(stream) : since === 'none' ? this.messages(stream).length : undefined
  }

  #replay(listener: Listener, subscription: Subscription, place: Place, asked: boolean): void {
    const { identifier, stream, kind, live } = subscription
    const messages = this.messages(stream)
    const until = live ? subscription.covered : messages.length
    const start = place === 'gap' || place === undefined ? until : Math.min(place, until)
    const late = subscription.late.splice(0)
    const oweLate = (until: number) => {
      while (late.length > 0 && late[0]!.at <= until) listener.ears.owe(late.shift()!.owed)
    }
    for (let at = start; at < until; at++) {
      oweLate(at)
      const message = messages[at]!
      if (message.isReplaced) continue
      if (message.exclude !== undefined && listener.sids.includes(message.exclude)) continue
      const type = message.type ? { type: message.type } : {}
      listener.ears.owe({ frame: { ...type, identifier, message: message.body, stream_id: stream }, message })
    }
    if (place !== 'gap') oweLate(messages.length)
    if (place === 'gap' && kind === 'turbo') {
      listener.ears.gaps.add(identifier)
      subscription.healing = subscription.page !== undefined
    }
    if (asked)
      listener.ears.owe({ frame: { type: place === 'gap' ? 'reject_history' : 'confirm_history', identifier } })
    oweLate(messages.length)
    subscription.live = true
    subscription.covered = start
  }

  unsubscribe(listener: Listener, subscription: Subscription): void {
    listener.subscriptions.delete(subscription.identifier)
    this.leave(listener, subscription)
  }

  join(listener: Listener, { stream, kind }: Subscription, { id, info }: Member): void {
    if (kind !== 'data' || Buffer.byteLength(id + (info?.json ?? '')) > LARGEST_MEMBER) return
    const members = this.#present.get(stream) ?? new Map<string, Present>()
    this.#present.set(stream, members)
    const sid = listener.sids[0]!
    const mine = [...members].find(([, { sids }]) => sids.has(sid))
    if (mine !== undefined && mine[0] !== id) return
    const member = members.get(id)
    if (member === undefined) {
      members.set(id, { info, sids: new Set([sid]) })
      return this.#event(stream, { id, info, type: 'join' })
    }
    member.info = info
    member.sids.add(sid)
  }

  /** Only a subscription that may join leaves: a page of the same stream does not. */
  leave(listener: Listener, { stream, kind }: Subscription): void {
    if (kind !== 'data') return
    const sid = listener.sids[0]!
    for (const [id, { sids }] of this.#present.get(stream) ?? []) {
      if (!sids.delete(sid) || sids.size > 0) continue
      this.#present.get(stream)!.delete(id)
      this.#event(stream, { id, type: 'leave' })
    }
  }

  /** The members of a stream, as the API lists them. */
  present(stream: string): string {
    const records = [...(this.#present.get(stream) ?? [])].map(([id, { info }]) => ({ info, id }))
    return print({ type: 'info', total: records.length, records })
  }

  askPresence(listener: Listener, { identifier, stream, kind }: Subscription): void {
    const message = kind === 'data' ? this.present(stream).replace(',"records":[]', '') : '{"type":"error","total":0}'
    listener.ears.owe({ frame: { type: 'presence', identifier, message } })
  }

  #event(stream: string, message: object): void {
    const text = print(message)
    this.tell(stream, identifier => ({ frame: { type: 'presence', identifier, message: text } }), {
      origin: 'presence',
      ...SAID,
    })
  }

  protected tell(
    stream: string,
    owed: (identifier: string) => Owed,
    { exclude, fromClient, transient }: Telling,
  ): void {
    for (const listener of this.listeners) {
      if (!listener.connected || (exclude !== undefined && listener.sids.includes(exclude))) continue
      const mine = [...listener.subscriptions.values()].filter(
        subscription => subscription.stream === stream && !(fromClient && subscription.kind !== 'data'),
      )
      const at = this.messages(stream).length
      listener.ears.owe(...mine.filter(({ live }) => live).map(({ identifier }) => owed(identifier)))
      if (transient) for (const { live, late, identifier } of mine) if (!live) late.push({ at, owed: owed(identifier) })
    }
  }
}

/** All that get the older one get the newer one, and both mean the same. */
const replaces = ({ key, type, exclude }: Message, older: Message): boolean =>
  key !== undefined && key === older.key && type === older.type && (exclude === undefined || exclude === older.exclude)

export function learn(message: Message, offset: number | undefined, epoch: string | undefined): void {
  assert.ok(Number.isSafeInteger(offset) && epoch, `no position: ${JSON.stringify(message)}`)
  message.offset ??= offset!
  message.epoch ??= epoch
  assert.deepEqual([offset, epoch], [message.offset, message.epoch], 'a message has one position')
}

export function same(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}
