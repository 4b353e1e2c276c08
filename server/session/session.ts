/**
 * One connected client: its identity, its subscriptions, and its commands in strict order.
 *
 * The order matters: Turbo leaves a page and enters the next with unsubscribe and subscribe of the same identifier in
 * quick succession. If the protocol has no answer (to an unknown command, to a second subscribe), we tell only the
 * operator. No sockets, no timers: the caller passes in all parts.
 */

import { guarded, type ReportFailure, tryEach } from '../base/failure.ts'
import type { Soon } from '../base/soon.ts'
import { BrokerUnavailable, unawaited } from '../broker.ts'
import type { Resolve, StreamGrant } from '../channels/channels.ts'
import {
  COMPLAINTS,
  type ComplaintCode,
  ENDINGS,
  type EndingCode,
  type GapCode,
  type RejectionCode,
  SubscriptionRejected,
} from '../errors.ts'
import type { Heal } from '../heal/heal.ts'
import type { Connection, Outcome } from '../hub/connection.ts'
import type { Addressee, Hub } from '../hub/hub.ts'
import type { Log } from '../log.ts'
import {
  type Command,
  confirmSubscription,
  disconnect,
  parseCommand,
  type RefreshFate,
  rejectSubscription,
  welcome,
} from '../protocol/action-cable.ts'
import { restoredWelcome } from '../protocol/extended.ts'
import { isTooDeep } from '../protocol/json.ts'
import { type Behind, CatchUp, type CatchUpParts } from './catch-up.ts'
import { COMMANDS, type CommandParts, join, type Speaker } from './commands.ts'
import type { Snapshot } from './resumables.ts'
import { allowed, asksForHistory, type ClientPositions, eventStart } from './start.ts'
import { type Subscription, Subscriptions } from './subscriptions.ts'

/** The parts that all sessions share; a test can supply its own. */
export interface SessionParts extends CatchUpParts, CommandParts {
  resolve: Resolve
  hub: Pick<Hub, 'subscribe' | 'unsubscribe' | 'addWaiter' | 'removeWaiter'>
  heal: Heal
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  failed: ReportFailure
  /** Counts a rejected subscription, or an ended session. */
  count: (code: RejectionCode | EndingCode) => void
  /** Counts an ignored command. */
  ignored: (code: ComplaintCode) => void
  log: Log
  /** Stores the session again, because its state has changed; `undefined`: no other node could take it. */
  changed?: ((session: Session) => void) | undefined
  /** Whether refusals tell the client their code, which its welcome announces (--dev). */
  explain: boolean
}

/** A client that connects, its connection, and the lost session that it resumes. */
export interface Arrival {
  sid: string
  identity: string
  /** Whether its sid is its only identity (--noauth). */
  anonymous: boolean
  /** Whether the client may resume the session. */
  resumable: boolean
  connection: Connection
  resumed?: Snapshot | undefined
}

/** Time that a resumed subscription waits for the client's own position. */
const HISTORY_GRACE_MS = 2_000
/** Rejections of a session that we log as warnings; we log further ones at debug, because a client may cause any number. */
const WARNED_REJECTIONS = 3
/** Former sids that we remember, so that a broadcast that excludes one does not reach this session. */
const REMEMBERED_SIDS = 8

/** The client has not shown a sign of life since it may have missed messages of any stream. */
const NEVER = -1

const nothing = (): void => {}
const NO_SIDS: readonly string[] = []

// There are very many sessions: they hold no closures, and no copies of shared parts.
export class Session implements Addressee, Behind, Speaker {
  readonly identity: string
  readonly anonymous: boolean
  readonly resumable: boolean
  readonly sid: string
  readonly connection: Connection
  readonly #parts: SessionParts
  /** The sids of the sessions that it resumed, the latest first. */
  readonly #formerSids: readonly string[]
  readonly #subscriptions = new Subscriptions()
  readonly catchUp: CatchUp
  #cancelGrace = nothing
  /** The history's offset at the client's last sign of life: later messages may never have reached it. */
  #heardAt = 0
  #ended = false
  #rejections = 0

  constructor({ sid, identity, anonymous, resumable, connection, resumed }: Arrival, parts: SessionParts) {
    this.sid = sid
    this.identity = identity
    this.anonymous = anonymous
    this.resumable = resumable
    this.connection = connection
    connection.session = this
    this.#formerSids = resumed?.sids.slice(0, REMEMBERED_SIDS) ?? NO_SIDS
    this.#parts = parts
    this.catchUp = new CatchUp(this, parts)
    this.heard()
  }

  /** Welcomes the client. `resumed`: the lost session that it resumes. */
  begin(resumed: Snapshot | undefined): void {
    if (resumed !== undefined) return this.#restore(resumed)
    this.connection.send(welcome(this.sid, this.#parts.explain))
  }

  /** Once true, the session ignores commands and delivers nothing. */
  get ended(): boolean {
    return this.#ended
  }

  answersTo(sid: string): boolean {
    return this.sid === sid || this.#formerSids.includes(sid)
  }

  goLive({ identifier, grant }: Subscription): void {
    this.#parts.changed?.(this)
    for (const stream of grant.streams)
      this.#parts.hub.subscribe(stream, identifier, this.connection, grant.kind !== 'data')
  }

  fate(subscription: Subscription): RefreshFate | undefined {
    return this.#parts.heal.fate(this, subscription)
  }

  missed(subscription: Subscription, code: GapCode): void {
    this.#parts.heal.missed(this, subscription, code)
    this.#parts.changed?.(this)
  }

  /** The client may have missed messages of these streams; `undefined`: of any. */
  gap(streams: ReadonlySet<string> | undefined): void {
    if (streams === undefined) this.#heardAt = NEVER
    for (const subscription of this.#subscriptions) {
      if (streams !== undefined && !subscription.grant.streams.some(stream => streams.has(stream))) continue
      // Offsets may have begun anew.
      if (streams === undefined) subscription.covered = this.#parts.history?.seen ?? 0
      this.catchUp.missed(subscription, 'gap_broker_away')
    }
  }

  /** The client lives, and has read all but our latest frames. */
  heard(): void {
    const isCatchingUp = this.#cancelGrace !== nothing
    if (this.connection.isOpen && !isCatchingUp) this.#heardAt = this.#parts.history?.seen ?? 0
  }

  /** Handles one message of the client; `undefined` is a message that is not text. */
  receive(text: string | undefined): Outcome {
    if (this.#ended) return 'free'
    this.heard()
    const command = text === undefined ? undefined : parseCommand(text)
    if (command === undefined) {
      this.#complain(text !== undefined && isTooDeep(text) ? 'command_too_deep' : 'command_malformed')
      return 'malformed'
    }
    return this.#obey(command)
  }

  #obey(command: Command): Outcome {
    const row = COMMANDS.get(command.command)
    const held = this.#subscriptions.get(command.identifier)
    if (row === undefined) this.#complain('command_unknown')
    else if (row.about === 'session') this.#complain(row.act(this, command, held))
    else if (held === undefined) this.#complain('not_subscribed')
    else {
      this.#answer(row.act(this, command, held, this.#parts))
      if (row.isFree) return 'free'
    }
    return 'done'
  }

  /** The connection can take more again. */
  drained(): void {
    this.catchUp.resume()
  }

  /** Sends the client the reason, and closes the connection. */
  disconnect(code: EndingCode, reconnect?: boolean): void {
    if (this.#ended) return
    const { count, log, explain } = this.#parts
    try {
      this.end()
      count(code)
      log.debug({ sid: this.sid, code }, `session ended: ${ENDINGS[code].fix}`)
      this.connection.send(disconnect(code, explain, reconnect))
      this.connection.close(code)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Ends this session after code for it threw, which is a bug; its client may reconnect. Never throws. */
  fail(error: unknown): void {
    const { failed, explain } = this.#parts
    failed(error, this.sid)
    const steps = [
      () => this.end(),
      () => this.connection.send(disconnect('internal', explain)),
      () => this.connection.close('internal'),
    ]
    tryEach(steps, step => step(), failed)
  }

  /** Stops delivering and reading, because the connection is closed or closing. Returns the state to resume from. */
  end(): Snapshot | undefined {
    if (this.#ended) return undefined
    this.#ended = true
    this.#cancelGrace()
    const left = this.snapshot()
    const { presence, heal, failed } = this.#parts
    for (const subscription of this.#subscriptions) this.#leave(subscription)
    this.#subscriptions.clear()
    heal.left(this)
    unawaited(presence?.lost(this.sid), failed)
    return left
  }

  /** Returns the state to resume from. */
  snapshot(): Snapshot {
    const { history } = this.#parts
    // Do not resume a subscription while its page must refresh: the client subscribes anew, and gets a gap again.
    const identifiers = [...this.#subscriptions].flatMap(({ healing, identifier }) => (healing ? [] : [identifier]))
    return {
      identity: this.identity,
      anonymous: this.anonymous,
      sids: [this.sid, ...this.#formerSids],
      identifiers,
      position: history && (this.#heardAt === NEVER ? 'gap' : { offset: this.#heardAt, epoch: history.epoch }),
    }
  }

  #restore({ identifiers, position }: Snapshot): void {
    const held: Subscription[] = []
    for (const identifier of identifiers) {
      const grant = this.#resolveAgain(identifier)
      if (grant === undefined) continue
      const subscription = this.#add(identifier, grant)
      this.catchUp.wait(subscription)
      held.push(subscription)
    }
    this.connection.send(
      restoredWelcome(
        this.sid,
        held.map(({ identifier }) => identifier),
        this.#parts.explain,
      ),
    )
    // The client now asks for the history of each. If it does not, we send the messages since it lost its connection.
    const resume = () => {
      this.#cancelGrace = nothing
      for (const subscription of held)
        if (subscription.state === 'waiting') this.catchUp.from(position ?? 'now', subscription, false)
    }
    // If the session is lost again before that, its next one starts here, too.
    const isOfThisEpoch = typeof position === 'object' && position.epoch === this.#parts.history?.epoch
    this.#heardAt = isOfThisEpoch ? position.offset : NEVER
    this.#cancelGrace = this.#parts.later(
      HISTORY_GRACE_MS,
      guarded(resume, error => this.fail(error)),
    )
  }

  /** Returns `undefined` if we reject the identifier now: its signed name may have expired. */
  #resolveAgain(identifier: string): StreamGrant | undefined {
    try {
      return this.#parts.resolve(identifier)
    } catch (error) {
      if (!(error instanceof SubscriptionRejected)) throw error
      this.#parts.count(error.code)
      return undefined
    }
  }

  /**
   * Answers the client, and returns the subscription, or the code that rejected it. A client of server-sent events has
   * `positions`. It cannot ask for history later, so we answer every start but "now" with confirm_history or reject_history.
   */
  subscribe({ identifier, history, presence }: Command, positions?: ClientPositions): Subscription | RejectionCode {
    const subscription = this.#subscriptions.get(identifier) ?? this.#grant(identifier)
    if (typeof subscription === 'string') return subscription
    const { grant, state } = subscription
    const asked = allowed(history, this.#parts.historySince)
    subscription.confirmed = true
    const page = grant.position ?? positions?.page
    // A restored subscription is live already if its client has sent `history` before.
    const start = state === 'live' ? 'now' : eventStart(grant.streams, page, asked, positions?.seen)
    const found = this.catchUp.find(start, subscription)
    const isGap = this.catchUp.isGap(start, found, subscription)
    this.connection.send(confirmSubscription(identifier, isGap ? this.fate(subscription) : undefined))
    this.catchUp.from(start, subscription, asksForHistory(asked) || (positions !== undefined && start !== 'now'), found)
    if (presence !== undefined && !this.#ended) {
      this.join({ command: 'join', identifier, presence }, subscription)
    }
    return subscription
  }

  join(command: Command, subscription: Subscription): void {
    this.#answer(join(this, command, subscription, this.#parts))
  }

  #answer(complaint: Soon<ComplaintCode | undefined>): void {
    if (!(complaint instanceof Promise)) return this.#complain(complaint)
    complaint.then(
      code => this.#complain(code),
      error => (error instanceof BrokerUnavailable ? this.#complain('presence_unavailable') : this.fail(error)),
    )
  }

  #grant(identifier: string): Subscription | RejectionCode {
    const { resolve, limits } = this.#parts
    try {
      this.#subscriptions.check(identifier, limits)
      return this.#add(identifier, resolve(identifier))
    } catch (error) {
      if (!(error instanceof SubscriptionRejected)) throw error
      this.#reject(identifier, error)
      return error.code
    }
  }

  #add(identifier: string, grant: StreamGrant): Subscription {
    const subscription = this.#subscriptions.add(identifier, grant)
    this.catchUp.enter(subscription)
    return subscription
  }

  unsubscribe(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    this.#leave(subscription)
    const { presence, failed, changed } = this.#parts
    const stream = subscription.grant.presence
    if (stream !== undefined) unawaited(presence?.leave(stream, this.sid), failed)
    changed?.(this)
  }

  #leave(subscription: Subscription): void {
    const { grant, identifier, state } = subscription
    if (state === 'live')
      for (const stream of grant.streams) this.#parts.hub.unsubscribe(stream, identifier, this.connection)
    this.catchUp.leave(subscription)
    subscription.state = 'over'
  }

  #reject(identifier: string, { code, message }: SubscriptionRejected): void {
    const { count, log, explain } = this.#parts
    count(code)
    const level = this.#rejections++ < WARNED_REJECTIONS ? 'warn' : 'debug'
    log[level]({ sid: this.sid, code }, `subscription rejected: ${message}`)
    this.connection.send(rejectSubscription(identifier, code, explain))
  }

  #complain(code: ComplaintCode | undefined): void {
    if (code === undefined) return
    const { ignored, log } = this.#parts
    ignored(code)
    // (At debug, because a client may cause any number.)
    log.debug({ sid: this.sid, code }, `command ignored: ${COMPLAINTS[code]}`)
  }
}
