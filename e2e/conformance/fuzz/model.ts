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

interface Owed {
  readonly frame: Frame
  readonly message?: Message | undefined
}

interface Telling {
  exclude?: string | undefined
  fromClient?: boolean
  /** No history holds it. */
  transient: boolean
}

/** By a client. */
const SAID: Telling = { fromClient: true, transient: true }

export class Listener {
  /** The present one first, then those it was resumed from. */
  sids: string[] = []
  readonly subscriptions = new Map<string, Subscription>()
  connected = false
  /** Whether a lost session can be resumed. */
  resumable = false
  /** Frames that are owed; those of one event in any order. */
  #owed: Owed[][] = []
  /** Where a page may be told to refresh itself. */
  readonly gaps = new Set<string>()

  owe(...group: Owed[]): void {
    if (group.length > 0) this.#owed.push(group)
  }

  /** Compares what came with what was owed; nothing is owed afterwards. */
  settle(frames: readonly Frame[]): void {
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

  #isRefresh({ identifier = '', message }: Frame): boolean {
    return this.gaps.has(identifier) && String(message).startsWith('"<turbo-stream action=\\"refresh\\"')
  }
}

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

  /** A message whose place is known, and that place. */
  known(stream: string): { message: Message; at: number }[] {
    return this.messages(stream).flatMap((message, at) => (message.offset === undefined ? [] : [{ message, at }]))
  }

  broadcast(stream: string, message: Message, transient: boolean): void {
    const { body, type, exclude, id } = message
    if (id !== undefined) {
      if (this.#published.has(id)) return
      this.#published.add(id)
    }
    if (!transient) this.messages(stream).push(message)
    this.#tell(
      stream,
      identifier => ({
        frame: { ...(type ? { type } : {}), identifier, message: body, ...(transient ? {} : { stream_id: stream }) },
        message: transient ? undefined : message,
      }),
      { exclude, transient },
    )
  }

  whisper(from: Listener, { stream, kind }: Subscription, { json }: Text): void {
    if (kind !== 'data' || Buffer.byteLength(json) > LARGEST_WHISPER) return
    const message = json === 'null' ? '"null"' : json
    this.#tell(stream, identifier => ({ frame: { identifier, message } }), { exclude: from.sids[0], ...SAID })
  }

  subscribe(listener: Listener, subscription: Subscription, asked: Asked): void {
    listener.subscriptions.set(subscription.identifier, subscription)
    listener.owe({ frame: { type: 'confirm_subscription', identifier: subscription.identifier } })
    const { page, live, covered } = subscription
    subscription.confirmed = true
    const place = live ? covered : (page ?? this.#placeOf(subscription, asked))
    this.#replay(listener, subscription, place, asked.wire !== undefined)
  }

  history(listener: Listener, subscription: Subscription, asked: Asked): void {
    const { page } = subscription
    const place = asked.place ?? page ?? this.#placeOf(subscription, asked)
    this.#replay(listener, subscription, place, true)
  }

  #placeOf({ stream }: Subscription, { place, since }: Asked): Place {
    if (place !== undefined || since === 'gap') return place ?? 'gap'
    return since === 'all' ? 0 : since === 'none' ? this.messages(stream).length : undefined
  }

  #replay(listener: Listener, subscription: Subscription, place: Place, asked: boolean): void {
    const { identifier, stream, kind, live } = subscription
    const messages = this.messages(stream)
    const until = live ? subscription.covered : messages.length
    const start = place === 'gap' || place === undefined ? until : Math.min(place, until)
    const late = subscription.late.splice(0)
    const oweLate = (until: number) => {
      while (late.length > 0 && late[0]!.at <= until) listener.owe(late.shift()!.owed)
    }
    for (let at = start; at < until; at++) {
      oweLate(at)
      const message = messages[at]!
      if (message.exclude !== undefined && listener.sids.includes(message.exclude)) continue
      listener.owe({ frame: { identifier, message: message.body, stream_id: stream }, message })
    }
    if (place !== 'gap') oweLate(messages.length)
    if (place === 'gap' && kind === 'turbo') {
      listener.gaps.add(identifier)
      subscription.healing = subscription.page !== undefined
    }
    if (asked) listener.owe({ frame: { type: place === 'gap' ? 'reject_history' : 'confirm_history', identifier } })
    oweLate(messages.length)
    subscription.live = true
    subscription.covered = start
  }

  unsubscribe(listener: Listener, subscription: Subscription): void {
    listener.subscriptions.delete(subscription.identifier)
    this.leave(listener, subscription.stream)
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

  leave(listener: Listener, stream: string): void {
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
    listener.owe({ frame: { type: 'presence', identifier, message } })
  }

  #event(stream: string, message: object): void {
    const text = print(message)
    this.#tell(stream, identifier => ({ frame: { type: 'presence', identifier, message: text } }), SAID)
  }

  #tell(stream: string, owed: (identifier: string) => Owed, { exclude, fromClient, transient }: Telling): void {
    for (const listener of this.listeners) {
      if (!listener.connected || (exclude !== undefined && listener.sids.includes(exclude))) continue
      const mine = [...listener.subscriptions.values()].filter(
        subscription => subscription.stream === stream && !(fromClient && subscription.kind !== 'data'),
      )
      const at = this.messages(stream).length
      listener.owe(...mine.filter(({ live }) => live).map(({ identifier }) => owed(identifier)))
      if (transient) for (const { live, late, identifier } of mine) if (!live) late.push({ at, owed: owed(identifier) })
    }
  }
}

function learn(message: Message, offset: number | undefined, epoch: string | undefined): void {
  assert.ok(Number.isSafeInteger(offset) && epoch, `no position: ${JSON.stringify(message)}`)
  message.offset ??= offset!
  message.epoch ??= epoch
  assert.deepEqual([offset, epoch], [message.offset, message.epoch], 'a message has one position')
}

function same(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}
