/**
 * What a cable must do whose broker answers later and whose feed lags: the promises, and the freedom between them.
 *
 *   answers           in the order of the commands; a confirmation before all else of its subscription
 *   stored messages   from the start of a subscription on, in order, none missing, none twice, none after its end. A start
 *                     without a place is between what had reached the node and what was said after the confirmation
 *   all others        once to a subscription whose replay is over, and that stays; perhaps to one that comes or goes
 *                     meanwhile. Those of one origin keep their order; they may overtake those of another
 *   an absent broker  takes nothing (503), and each page of these streams refreshes; whispers may be lost
 *
 * A watcher that listens to all streams from the beginning tells the offsets. What came is compared while nothing is under
 * way. Pure: no sockets, no clock.
 */
import assert from 'node:assert/strict'
import type { Frame } from '../../../testing/client.ts'
import { Track } from './late-track.ts'
import {
  type Asked,
  type Ears,
  type Listener,
  type Message,
  type Owed,
  type Place,
  Room,
  type Subscription,
  type Telling,
} from './model.ts'

export class LateEars implements Ears {
  readonly gaps = new Set<string>()
  /** Streams with a page that may have refreshed. */
  readonly healed = new Set<string>()
  readonly #owed: { readonly frame: Frame; readonly track?: Track }[] = []
  /** By identifier: the track that was confirmed last. */
  readonly #current = new Map<string, Track>()
  /** Those that are there, and those that were since the last settling. */
  tracks: Track[] = []

  owe(...group: Owed[]): void {
    for (const { frame } of group) this.#owed.push({ frame })
  }

  /** Adds a subscription. It begins with the answer to a command, or with a restored session. */
  begin(track: Track, isRestored: boolean): void {
    this.tracks.push(track)
    if (isRestored) this.#confirm(track)
  }

  oweConfirmation(track: Track): void {
    const { identifier } = track.subscription
    this.#owed.push({ frame: { type: 'confirm_subscription', identifier }, track })
  }

  find(identifier: string): Track | undefined {
    return this.tracks.find(({ subscription, life }) => life === 'there' && subscription.identifier === identifier)
  }

  hear(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (isAnswer(frame)) this.#answered(frame)
      else {
        const track = this.#current.get(frame.identifier ?? '')
        assert.ok(track && track.life !== 'over', `came without a subscription: ${JSON.stringify(frame)}`)
        track.frames.push(frame)
        if (frame.type === 'confirm_history' || frame.type === 'reject_history') {
          track.confirmed()
          track.isListening = true
        }
      }
    }
    assert.deepEqual(this.#owed, [], 'the cable did not answer')
    for (const track of this.tracks) if (track.life === 'leaving') track.life = 'over'
  }

  #answered({ refresh, ...frame }: Frame): void {
    assert.ok(refresh === undefined || this.gaps.has(frame.identifier ?? ''), JSON.stringify(frame))
    const owed = this.#owed.shift()
    assert.deepEqual(frame, owed?.frame, 'the cable answers in the order of the commands')
    if (owed?.track) this.#confirm(owed.track)
  }

  #confirm(track: Track): void {
    this.#current.set(track.subscription.identifier, track)
    if (!track.isGap) track.confirmed()
  }

  /** The connection is over, and the cable left some commands unanswered. */
  abandon(): void {
    this.#owed.length = 0
    this.lost()
  }

  lost(): void {
    for (const track of this.tracks) track.life = 'over'
    this.#current.clear()
  }
}

const earsOf = ({ ears }: Listener): LateEars => ears as LateEars

/** The answer to a command but `history`. */
const isAnswer = ({ type, message }: Frame): boolean =>
  type === 'confirm_subscription' ||
  type === 'reject_subscription' ||
  type === 'pong' ||
  (type === 'presence' && String(message).startsWith('{"type":'))

type Saying = (track: Track) => Track['said']

export class LateRoom extends Room {
  isAway = false
  /** A node learns by ticks what reached streams to which it does not listen: at any time it may be behind. */
  readonly #ticks: boolean
  /** Publications that the broker did not take, until the cable heals the pages of their streams. */
  readonly refused = new Set<{ readonly stream: string; readonly message: Message }>()
  /** By stream: how many messages have reached the node. */
  readonly #fed = new Map<string, number>()
  /** By stream: how many messages are forgotten. */
  readonly #forgotten = new Map<string, number>()
  /** What is said to each stream since the last settling. */
  #flying: { readonly stream: string; readonly saying: Saying }[] = []
  #seq = 0
  readonly #seqs = new Map<Message, number>()
  /** Clients without a page that the cable must ask to come back, and those that it may. */
  readonly askedBack = new Set<Listener>()
  readonly #mayBeAskedBack = new Set<Listener>()
  /** Pages that must refresh. */
  #refreshes: { readonly ears: LateEars; readonly stream: string }[] = []

  constructor(listeners: readonly Listener[], ticks: boolean) {
    super(listeners)
    this.#ticks = ticks
  }

  protected override placeAfter(stream: string, at: number): Place {
    return at < this.oldest(stream) ? 'gap' : at + 1
  }

  protected override oldest(stream: string): number {
    return this.#forgotten.get(stream) ?? 0
  }

  /** (A time that is not over yet means now, and what is under way may still come.) */
  protected override placeOf(subscription: Subscription, asked: Asked): Place {
    return asked.since === 'none' ? asked.place : super.placeOf(subscription, asked)
  }

  /** Whether we know what the client has. */
  isSure(listener: Listener): boolean {
    return earsOf(listener).tracks.every(track => track.life !== 'there' || !track.isUnsure)
  }

  override resume(listener: Listener): void {
    super.resume(listener)
    for (const subscription of listener.subscriptions.values())
      earsOf(listener).begin(this.#track(listener, subscription), true)
  }

  override lost(listener: Listener): void {
    earsOf(listener).lost()
    this.askedBack.delete(listener)
    this.#mayBeAskedBack.delete(listener)
  }

  /** The cable disconnected a client that missed messages. What it sent before is not compared. */
  cameBack(listener: Listener): void {
    assert.ok(this.#mayBeAskedBack.has(listener), 'asked back without a gap')
    earsOf(listener).abandon()
    this.lost(listener)
  }

  override subscribe(listener: Listener, subscription: Subscription, asked: Asked): void {
    const ears = earsOf(listener)
    listener.subscriptions.set(subscription.identifier, subscription)
    subscription.confirmed = true
    const restored = ears.find(subscription.identifier)
    const track = restored ?? this.#track(listener, subscription)
    if (restored === undefined) ears.begin(track, false)
    ears.oweConfirmation(track)
    const place = subscription.live
      ? track.messages.length
      : (this.#pageOf(subscription) ?? this.placeOf(subscription, asked))
    this.#ask(listener, track, place, asked.wire !== undefined)
  }

  override history(listener: Listener, subscription: Subscription, asked: Asked): void {
    const track = earsOf(listener).find(subscription.identifier)!
    const place = asked.place ?? this.#pageOf(subscription) ?? this.placeOf(subscription, asked)
    this.#ask(listener, track, place, true)
  }

  /** (Since the page was rendered the cable may have forgotten its place.) */
  #pageOf({ page, stream }: Subscription): Place {
    return typeof page === 'number' && page > 0 ? this.placeAfter(stream, page - 1) : page
  }

  #track(listener: Listener, subscription: Subscription): Track {
    const { stream } = subscription
    const track = new Track(subscription, [...listener.sids], this.messages(stream), of => this.#seqs.get(of)!)
    for (const one of this.#flying)
      if (one.stream === stream) track.said.push(...one.saying(track).map(said => ({ ...said, isOwed: false })))
    return track
  }

  #ask(listener: Listener, track: Track, place: Place, asked: boolean): void {
    const { subscription, messages } = track
    const { identifier, stream, kind, live } = subscription
    const isSure = !this.isRefused(stream)
    if ((place === 'gap' || !isSure) && kind === 'turbo') {
      listener.ears.gaps.add(identifier)
      earsOf(listener).healed.add(stream)
    }
    if (place === 'gap' && kind === 'turbo') subscription.healing = subscription.page !== undefined
    const type = place === 'gap' ? 'reject_history' : isSure ? 'confirm_history' : undefined
    const known = typeof place === 'number' ? place : messages.length
    if (!live) track.start(place, this.#fed.get(stream) ?? 0, isSure)
    const again = live ? { next: Math.min(known, track.first!), from: Math.min(known, track.first!) } : undefined
    const stored = typeof place === 'number' ? messages.length : 0
    if (asked) track.answers.push({ type, stored, again: place === 'gap' ? undefined : again })
    subscription.live = true
  }

  isRefused(stream: string): boolean {
    return [...this.refused].some(one => one.stream === stream)
  }

  override unsubscribe(listener: Listener, subscription: Subscription): void {
    earsOf(listener).find(subscription.identifier)!.life = 'leaving'
    super.unsubscribe(listener, subscription)
  }

  protected override tell(stream: string, owed: (identifier: string) => Owed, telling: Telling): void {
    const { exclude, fromClient, transient, origin } = telling
    const seq = ++this.#seq
    const { message } = owed('')
    if (message) this.#seqs.set(message, seq)
    if (!transient) return
    const saying: Saying = ({ subscription: { kind, identifier }, sids, isListening, life }) => {
      if ((exclude !== undefined && sids.includes(exclude)) || (fromClient && kind !== 'data')) return []
      const isOwed = isListening && life === 'there' && !(fromClient && this.isAway)
      return [{ origin, seq, frame: owed(identifier).frame, isOwed }]
    }
    this.#flying.push({ stream, saying })
    for (const listener of this.listeners)
      for (const track of earsOf(listener).tracks)
        if (track.life !== 'over' && track.subscription.stream === stream) track.said.push(...saying(track))
  }

  /** The broker took none of them. */
  refuse(publications: readonly { readonly stream: string; readonly message: Message }[]): void {
    for (const one of publications) if (!this.isPublished(one.message)) this.refused.add(one)
  }

  override broadcast(stream: string, message: Message, transient: boolean): boolean {
    const isNew = super.broadcast(stream, message, transient)
    for (const one of this.refused) if (this.isPublished(one.message)) this.refused.delete(one)
    return isNew
  }

  /** The broker forgot the streams of the publications that it did not take. */
  forgot(): void {
    for (const stream of new Set([...this.refused].map(({ stream }) => stream))) {
      this.#forgotten.set(stream, this.messages(stream).length)
      for (const listener of this.listeners) this.#gap(listener, stream)
    }
    this.refused.clear()
  }

  #gap(listener: Listener, stream: string): void {
    const ears = earsOf(listener)
    const tracks = ears.tracks.filter(({ subscription, life }) => life === 'there' && subscription.stream === stream)
    const pages = tracks.filter(({ subscription: { kind } }) => kind === 'turbo')
    // (A page that refreshed before waits for 30 s.)
    if (pages.length > 0 && !ears.healed.has(stream)) this.#refreshes.push({ ears, stream })
    for (const { subscription } of pages) {
      ears.gaps.add(subscription.identifier)
      ears.healed.add(stream)
      subscription.healing = subscription.page !== undefined
    }
    const others = listener.extended ? tracks.filter(({ subscription: { kind } }) => kind === 'data') : []
    if (others.length > 0) this.#mayBeAskedBack.add(listener)
    if (others.some(({ isLive }) => isLive)) this.askedBack.add(listener)
    for (const track of tracks) {
      // Its replay was read before the broker forgot, or after.
      for (const answer of track.answers) Object.assign(answer, { type: undefined, isForgotten: true })
      if (!track.isLive) track.free = { from: this.#fed.get(stream) ?? 0, to: Number.POSITIVE_INFINITY }
    }
  }

  /** Compares what came, while nothing is under way. Returns what is still owed. */
  compare(): string[] {
    const all = this.listeners.map(earsOf)
    for (const { tracks } of all) for (const track of tracks) track.hear()
    const there = all.flatMap(({ tracks }) => tracks.filter(({ life }) => life === 'there'))
    const missing = there.flatMap(track => track.missing())
    for (const { ears, stream } of this.#refreshes) {
      const pages = ears.tracks.filter(({ subscription, life }) => life === 'there' && subscription.stream === stream)
      if (pages.length > 0 && !pages.some(({ hasRefreshed }) => hasRefreshed)) missing.push(`a refresh of ${stream}`)
    }
    if (missing.length > 0) return missing
    for (const ears of all) ears.tracks = ears.tracks.filter(({ life }) => life === 'there')
    for (const track of there) track.settled()
    if (!this.#ticks) for (const stream of this.streams()) this.#fed.set(stream, this.messages(stream).length)
    this.#flying = []
    this.#refreshes = []
    return []
  }
}
