/**
 * One connected client: its identity, its subscriptions, and its commands in strict order.
 *
 * The order matters: Turbo leaves a page and enters the next with unsubscribe and subscribe of the same identifier in
 * quick succession. If the protocol has no answer (to an unknown command, to a second subscribe), we tell only the
 * operator. No sockets, no timers: the caller passes in all parts.
 */

import type { Soon } from '../base/soon.ts'
import { BrokerUnavailable, unawaited } from '../broker.ts'
import type { StreamGrant } from '../channels/channels.ts'
import type { ComplaintCode, EndingCode, GapCode, SubscriptionRejected } from '../errors.ts'
import type { Connection, Outcome } from '../hub/connection.ts'
import type { Addressee } from '../hub/hub.ts'
import { type Command, parseCommand, type RefreshFate, rejectSubscription, welcome } from '../protocol/action-cable.ts'
import { isTooDeep } from '../protocol/json.ts'
import type { AppClient } from '../rpc/app-client.ts'
import type { ClientRequest } from '../rpc/client-request.ts'
import type { Performer } from './app-session.ts'
import { CatchUp } from './catch-up.ts'
import { COMMANDS, join, leave, type Speaker } from './commands.ts'
import { type Ended, endAfter, endWith } from './ending.ts'
import type { Behind } from './replaying.ts'
import { reportIgnored, reportRejection } from './reports.ts'
import { type Grace, type Restored, restore } from './restore.ts'
import type { Snapshot } from './resumables.ts'
import type { Newcomer, SessionParts, Stored } from './session-parts.ts'
import { snapshotOf, statesOf } from './snapshot.ts'
import type { ClientPositions } from './start.ts'
import { type Subscribed, type Subscribing, subscribe } from './subscribe.ts'
import { type Subscription, Subscriptions } from './subscriptions.ts'
import { transmit } from './transmit.ts'
import { type Orderly, WaitingCommands } from './waiting-commands.ts'

/** Former sids that we remember, so that a broadcast that excludes one does not reach this session. */
const REMEMBERED_SIDS = 8

/** The client has not shown a sign of life since it may have missed messages of any stream. */
const NEVER = -1

const NO_SIDS: readonly string[] = []

// There are very many sessions: they hold no closures, and no copies of shared parts.
export class Session implements Addressee, Behind, Speaker, Subscribing, Performer, Orderly, Restored, Stored, Ended {
  readonly identity: string
  readonly anonymous: boolean
  readonly resumable: boolean
  readonly sid: string
  readonly connection: Connection
  readonly request: ClientRequest | undefined
  readonly app: AppClient | undefined
  readonly #parts: SessionParts
  /** The sids of the sessions that it resumed, the latest first. */
  readonly #formerSids: readonly string[]
  readonly subscriptions = new Subscriptions()
  readonly catchUp: CatchUp
  /** Set while a resumed client may still say which messages it has. */
  #grace: Grace | undefined
  /** The history's offset at the client's last sign of life: later messages may never have reached it. */
  #heardAt = 0
  #ended = false
  #rejections = 0
  /** Set while the answer to a command is due. */
  #waiting: WaitingCommands | undefined
  /** Gets the subscription that becomes live next, or ends. */
  #whenLive: (() => void) | undefined

  constructor(newcomer: Newcomer, parts: SessionParts) {
    const { sid, identity, anonymous, resumable, connection, request, app, resumed } = newcomer
    this.sid = sid
    this.identity = identity
    this.anonymous = anonymous
    this.resumable = resumable
    this.connection = connection
    this.request = request
    this.app = app
    connection.session = this
    this.#formerSids = resumed?.sids.slice(0, REMEMBERED_SIDS) ?? NO_SIDS
    this.#parts = parts
    this.catchUp = new CatchUp(this, parts)
    this.heard()
  }

  /** Welcomes the client. `resumed`: the lost session that it resumes. */
  begin(resumed: Snapshot | undefined, transmissions?: readonly string[]): void {
    if (resumed === undefined) {
      if (transmissions !== undefined) return transmit(this.connection, transmissions)
      return this.connection.send(welcome(this.sid, this.#parts.explain))
    }
    // If this session is lost before it has caught up, the next one starts where this one did.
    const { position } = resumed
    const isOfThisEpoch = typeof position === 'object' && position.epoch === this.#parts.history?.epoch
    this.#heardAt = isOfThisEpoch ? position.offset : NEVER
    this.#grace = restore(this, resumed, this.#parts)
  }

  restored(): void {
    this.#grace = undefined
  }

  /** Once true, the session ignores commands and delivers nothing. */
  get ended(): boolean {
    return this.#ended
  }

  answersTo(sid: string): boolean {
    return this.sid === sid || this.#formerSids.includes(sid)
  }

  /** (While the feed is behind a subscription, which may take long, another node could take the session.) */
  replayed(): void {
    this.#parts.changed?.(this)
  }

  goLive({ identifier, grant }: Subscription): void {
    for (const stream of grant.streams)
      this.#parts.hub.subscribe(stream, identifier, this.connection, grant.kind !== 'data')
    this.#whenLive?.()
  }

  whenLive(subscription: Subscription): Promise<void> | undefined {
    if (subscription.state === 'live') return undefined
    return new Promise(resolve => {
      this.#whenLive = () => {
        if (subscription.state !== 'live' && !this.#ended) return
        this.#whenLive = undefined
        resolve()
      }
    })
  }

  regrant(subscription: Subscription, grant: StreamGrant): void {
    const { identifier, grant: former, state } = subscription
    const { hub, listening, changed } = this.#parts
    const begun = grant.streams.filter(stream => !former.streams.includes(stream))
    const over = former.streams.filter(stream => !grant.streams.includes(stream))
    subscription.grant = grant
    listening.enter(begun)
    if (state === 'live') {
      for (const stream of begun) hub.subscribe(stream, identifier, this.connection, grant.kind !== 'data')
      for (const stream of over) hub.unsubscribe(stream, identifier, this.connection)
    }
    listening.leave(over)
    changed?.(this)
  }

  fate(subscription: Subscription): RefreshFate | undefined {
    return this.#parts.heal.fate(this, subscription)
  }

  missed(subscription: Subscription, code: GapCode, isTold: boolean): void {
    this.#parts.heal.missed(this, subscription, code, isTold)
    this.#parts.changed?.(this)
  }

  askBack(): void {
    this.disconnect('messages_missed')
  }

  /** The client may have missed messages of these streams; `undefined`: of any. */
  gap(streams: ReadonlySet<string> | undefined): void {
    if (streams === undefined) this.#heardAt = NEVER
    for (const subscription of this.subscriptions) {
      if (streams !== undefined && !subscription.grant.streams.some(stream => streams.has(stream))) continue
      // Offsets may have begun anew.
      if (streams === undefined) subscription.covered = this.#parts.history?.seen ?? 0
      this.catchUp.missed(subscription, 'gap_broker_away')
    }
  }

  /** The client lives, and has read all but our latest frames. */
  heard(): void {
    if (this.connection.isOpen && this.#grace === undefined) this.#heardAt = this.#parts.history?.seen ?? 0
  }

  /** Handles one message of the client; `undefined` is a message that is not text. */
  receive(text: string | undefined): Outcome {
    if (this.#ended) return 'free'
    this.heard()
    this.#grace?.heard()
    const command = text === undefined ? undefined : parseCommand(text)
    if (command === undefined) {
      this.complain(text !== undefined && isTooDeep(text) ? 'command_too_deep' : 'command_malformed')
      return 'malformed'
    }
    return this.#waiting === undefined ? this.obey(command) : this.#queue(this.#waiting, command, text!.length)
  }

  #queue(waiting: WaitingCommands, command: Command, length: number): Outcome {
    command.cameAt = this.#parts.monotonic()
    if (!waiting.add(command, length)) this.complain('already_subscribed')
    return COMMANDS.get(command.command)?.isFree ? 'free' : 'done'
  }

  /** Lets later commands wait for the answer to this one. */
  #waitFor(answer: Promise<unknown>, command: Command): void {
    this.#waiting ??= new WaitingCommands(this, command)
    this.#waiting.waitFor(this.app === undefined ? answer : this.#learnFrom(answer, this.app))
  }

  /** An answer of the application may change what it knows of the session, whatever it does to a subscription. */
  async #learnFrom(answer: Promise<unknown>, app: AppClient): Promise<void> {
    const { cstate, isKnown } = app
    await answer
    if (app.cstate !== cstate || app.isKnown !== isKnown) this.#parts.changed?.(this)
  }

  caughtUp(): void {
    this.#waiting = undefined
  }

  /** The client has left. Calls `then` after its last commands, or when they have waited for 5 s. */
  left(then: () => void): void {
    if (this.#ended || this.#waiting === undefined) return then()
    this.#waiting.left(then, this.#parts.later)
  }

  /** Resolves after the commands that wait, after so many ms at the latest. `undefined`: none waits. */
  settled(ms: number): Promise<void> | undefined {
    const waiting = this.#waiting
    return this.#ended || waiting === undefined
      ? undefined
      : new Promise(resolve => waiting.settled(resolve, this.#parts.later, ms))
  }

  obey(command: Command): Outcome {
    const row = COMMANDS.get(command.command)
    const held = this.subscriptions.get(command.identifier)
    if (row === undefined) this.complain('command_unknown')
    else if (row.about === 'session') this.complain(row.act(this, command, held))
    else if (held === undefined) this.complain('not_subscribed')
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
    if (!this.#ended) endWith(this, code, reconnect, this.#parts)
  }

  fail(error: unknown): void {
    endAfter(this, error, this.#parts)
  }

  /** Stops delivering and reading, because the connection is closed or closing. Returns the state to resume from. */
  end(): Snapshot | undefined {
    if (this.#ended) return undefined
    this.#ended = true
    this.#grace?.end()
    const left = this.snapshot()
    this.app?.end(this.identity, statesOf(this.subscriptions))
    const { presence, heal, failed } = this.#parts
    for (const subscription of this.subscriptions) this.#leave(subscription)
    this.subscriptions.clear()
    heal.left(this)
    unawaited(presence?.lost(this.sid), failed)
    this.#whenLive?.()
    this.#waiting?.end()
    return left
  }

  /** Returns the state to resume from. */
  snapshot(): Snapshot {
    const { history } = this.#parts
    const heardAt = history && { offset: this.#heardAt, epoch: history.epoch }
    const position = heardAt && (this.#heardAt === NEVER ? 'gap' : this.catchUp.resumeFrom(heardAt))
    return snapshotOf(this, [this.sid, ...this.#formerSids], position)
  }

  /** Answers the client, and returns the result: see subscribe.ts. */
  subscribe(command: Command, positions?: ClientPositions): Soon<Subscribed> {
    const subscribed = subscribe(this, command, this.#parts, positions)
    if (subscribed instanceof Promise) this.#waitFor(subscribed, command)
    return subscribed
  }

  join(command: Command, subscription: Subscription): void {
    this.#answer(join(this, command, subscription, this.#parts))
  }

  leave(subscription: Subscription): void {
    this.#answer(leave(this, { command: 'leave', identifier: '' }, subscription, this.#parts))
  }

  #answer(complaint: Soon<ComplaintCode | undefined>): void {
    if (!(complaint instanceof Promise)) return this.complain(complaint)
    complaint.then(
      code => this.complain(code),
      error => (error instanceof BrokerUnavailable ? this.complain('presence_unavailable') : this.fail(error)),
    )
  }

  perform(command: Command, held: Subscription | undefined): void {
    const { app } = this.#parts
    if (app === undefined) return this.complain('command_unsupported')
    if (held === undefined) return this.complain('not_subscribed')
    if (held.grant.istate === undefined) return this.complain('command_unsupported')
    this.#waitFor(app.perform(this, held, command, this.#parts), command)
  }

  /** Adds a subscription that waits for its replay. */
  add(identifier: string, grant: StreamGrant): Subscription {
    if (grant.permit === 'due') throw new Error('a grant without the permission that it needs')
    const subscription = this.subscriptions.add(identifier, grant)
    grant.permit?.hold(this)
    this.catchUp.enter(subscription)
    return subscription
  }

  unsubscribe(subscription: Subscription): void {
    this.subscriptions.delete(subscription)
    this.#leave(subscription)
    const { presence, failed, changed } = this.#parts
    const stream = subscription.grant.presence
    if (stream !== undefined) unawaited(presence?.leave(stream, this.sid), failed)
    changed?.(this)
    const { app } = this.#parts
    if (app === undefined || subscription.grant.istate === undefined) return
    this.#waitFor(app.unsubscribe(this, subscription), { command: 'unsubscribe', identifier: subscription.identifier })
  }

  #leave(subscription: Subscription): void {
    const { grant, identifier, state } = subscription
    if (state === 'live')
      for (const stream of grant.streams) this.#parts.hub.unsubscribe(stream, identifier, this.connection)
    this.catchUp.leave(subscription)
    if (typeof grant.permit === 'object') grant.permit.release()
    subscription.state = 'over'
  }

  reject(identifier: string, rejection: SubscriptionRejected): void {
    reportRejection(this.sid, rejection, this.#rejections++, this.#parts)
    const { answer } = rejection
    if (answer === undefined)
      return this.connection.send(rejectSubscription(identifier, rejection.code, this.#parts.explain))
    transmit(this.connection, answer.transmissions)
    if (answer.disconnect) this.disconnect('app_closed')
  }

  complain(code: ComplaintCode | undefined): void {
    if (code !== undefined) reportIgnored(this.sid, code, this.#parts)
  }
}
