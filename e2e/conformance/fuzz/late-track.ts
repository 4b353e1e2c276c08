/**
 * A subscription on one connection to a cable whose broker answers later: what must come, what may, and what came.
 *
 *   start ─▶ stored messages: in order, none missing, none twice; a replay may lack those that a newer one has replaced
 *          ╰ answers to requests for history, each behind all that was stored when it was asked for
 *          ╰ all other messages: those that are owed once, those that may come at most once
 */
import assert from 'node:assert/strict'
import type { Frame } from '../../../testing/client.ts'
import { isRefresh, learn, type Message, type Place, type Subscription, same } from './model.ts'

/** A message that the history does not hold. */
export interface Said {
  /** Those of one origin keep their order. */
  readonly origin: string
  readonly seq: number
  readonly frame: Frame
  /** If not, it may come. */
  isOwed: boolean
}

/** The answer to a request for history. */
interface Answer {
  /** `undefined`: either. */
  type: 'confirm_history' | 'reject_history' | undefined
  /** How many messages of the stream come before it. */
  readonly stored: number
  /** Of a live subscription: the older messages that come again. */
  readonly again: { next: number; readonly from: number } | undefined
  /** Whether the broker may have forgotten those of `again`. */
  isForgotten?: boolean
}

export class Track {
  readonly subscription: Subscription
  /** Of the session, at the beginning. */
  readonly sids: readonly string[]
  /** Of the stream. */
  readonly messages: readonly Message[]
  readonly seqOf: (message: Message) => number
  readonly answers: Answer[] = []
  readonly frames: Frame[] = []
  said: Said[] = []
  /** `leaving`: the client unsubscribes, but perhaps the cable has not read it. */
  life: 'there' | 'leaving' | 'over' = 'there'
  /** The next message; `undefined`: any of `free`. */
  next: number | undefined
  /** Until the first message: where else it may start. */
  free: { readonly from: number; to: number } | undefined
  /** The oldest message that the client has. */
  first: number | undefined
  /** Whether all that it misses has come, so that messages come in the order of their origins. */
  isLive = false
  hasRefreshed = false
  /** Whether its replay is over: from now on it gets each message, also those that no history holds. */
  isListening = false
  /** By origin. */
  readonly #latest = new Map<string, number>()

  constructor(
    subscription: Subscription,
    sids: readonly string[],
    messages: readonly Message[],
    seqOf: Track['seqOf'],
  ) {
    this.subscription = subscription
    this.sids = sids
    this.messages = messages
    this.seqOf = seqOf
  }

  /** Whether it may start with a gap: messages that come before the client learns of the gap are lost. */
  isGap = false

  /** `fed`: how many messages had surely reached the node. `isSure`: the place cannot be a gap. */
  start(place: Place, fed: number, isSure: boolean): void {
    if (typeof place === 'number') this.next = this.first = place
    this.isGap = place === 'gap' || !isSure
    if (typeof place !== 'number' || !isSure) this.free = { from: fed, to: Number.POSITIVE_INFINITY }
  }

  /** Whether it is not known yet what the client has. */
  get isUnsure(): boolean {
    return this.free !== undefined || this.answers.length > 0
  }

  /** The client has read that it is there: from now on it gets every stored message. */
  confirmed(): void {
    if (this.free?.to === Number.POSITIVE_INFINITY) this.free.to = this.messages.length
  }

  hear(): void {
    for (const frame of this.frames.splice(0)) {
      if (isRefresh(frame)) this.hasRefreshed = true
      else if (frame.type === 'confirm_history' || frame.type === 'reject_history') this.#answered(frame)
      else if (frame.stream_id !== undefined) this.#stored(frame)
      else this.#heard(frame)
    }
  }

  /** What is owed, and did not come. */
  missing(): string[] {
    const { identifier } = this.subscription
    const next = this.#from(this.next === undefined || this.free ? (this.free?.to ?? 0) : this.next)
    return [
      ...this.said.filter(({ isOwed }) => isOwed).map(({ frame }) => frame.message),
      ...this.answers.map(({ type }) => type ?? 'an answer'),
      ...this.messages.slice(next, next + 1).map(({ body }) => body),
    ].map(missing => `${missing} on ${identifier}`)
  }

  /** Nothing is under way. */
  settled(): void {
    this.first ??= this.messages.length
    this.next = this.messages.length
    this.free = undefined
    this.said = []
    this.isLive = this.isListening = true
    this.hasRefreshed = false
  }

  #answered({ refresh: _, ...frame }: Frame): void {
    const answer = this.answers.shift()
    assert.ok(answer, `not asked for: ${JSON.stringify(frame)}`)
    const { type = frame.type, again, isForgotten, stored } = answer
    assert.deepEqual(frame, { type, identifier: this.subscription.identifier })
    if (type === 'reject_history') {
      if (this.free) this.first = this.next = undefined
      return
    }
    if (again) {
      if (isForgotten && again.next === again.from) return
      assert.ok(this.#from(again.next, true) >= this.first!, `confirmed before ${this.messages[again.next]?.body}`)
      this.first = Math.min(this.first!, again.from)
    } else if (this.next !== undefined && !this.free) {
      assert.ok(this.#from(this.next) >= stored, `confirmed before ${this.messages[this.next]?.body}`)
    }
  }

  #stored({ offset, epoch, ...frame }: Frame): void {
    const { identifier, stream } = this.subscription
    const about = JSON.stringify({ ...frame, offset })
    const known = this.messages.findIndex(message => message.offset === offset)
    const at = known >= 0 ? known : this.#from(this.next ?? Number.POSITIVE_INFINITY)
    const message = this.messages[at]
    assert.ok(message, `no backend said it: ${about}`)
    assert.ok(!this.#isExcluded(message), `excluded: ${about}`)
    const again = this.first !== undefined && at < this.first && !this.free ? this.answers[0]?.again : undefined
    const type = message.type ? { type: message.type } : {}
    assert.deepEqual(frame, { ...type, identifier, message: message.body, stream_id: stream })
    learn(message, offset, epoch)
    if (again) {
      assert.ok(this.#follows(again.next, at, true), `not the next of its replay: ${about}`)
      again.next = at + 1
    } else if (this.next !== undefined && this.#follows(this.next, at)) this.#take(at)
    else if (this.free && at >= this.free.from && at <= this.#from(this.free.to)) {
      this.first = at
      this.#take(at)
    } else assert.fail(`came twice, or behind one that is missing: ${about}, ${JSON.stringify([this.next, this.free])}`)
  }

  #take(at: number): void {
    this.next = at + 1
    this.free = undefined
    this.#inOrder('backend', this.seqOf(this.messages[at]!))
  }

  #heard(frame: Frame): void {
    const is = (one: Said) => same(one.frame, frame)
    const owed = this.said.findIndex(one => one.isOwed && is(one))
    const at = owed >= 0 ? owed : this.said.findIndex(is)
    assert.ok(at >= 0, `came twice, or was not said: ${JSON.stringify(frame)}`)
    const [{ origin, seq }] = this.said.splice(at, 1) as [Said]
    this.#inOrder(origin, seq)
  }

  #inOrder(origin: string, seq: number): void {
    assert.ok(!this.isLive || seq > (this.#latest.get(origin) ?? 0), `out of its order: ${origin} ${seq}`)
    this.#latest.set(origin, seq)
  }

  /** The first message from `at` on that must come. */
  #from(at: number, isReplay = !this.isLive): number {
    let next = Math.min(at, this.messages.length)
    while (next < this.messages.length && this.#mayLack(this.messages[next]!, isReplay)) next++
    return next
  }

  /** Whether the message may come where the one at `next` is expected. */
  #follows(next: number, at: number, isReplay = !this.isLive): boolean {
    return at >= next && this.messages.slice(next, at).every(message => this.#mayLack(message, isReplay))
  }

  #mayLack(message: Message, isReplay: boolean): boolean {
    return this.#isExcluded(message) || (isReplay && message.isReplaced === true)
  }

  #isExcluded({ exclude }: Message): boolean {
    return exclude !== undefined && this.sids.includes(exclude)
  }
}
