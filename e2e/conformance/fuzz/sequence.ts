/**
 * One sequence: two clients and a backend say at random what they may and may not say, to a cable and to its model.
 *
 * A session's own commands are sent without waiting; before anything that others notice all of them are settled, so that
 * the order is the same here and there. What is owed is compared frame by frame.
 */
import assert from 'node:assert/strict'
import { BASE, EXTENDED, type Frame } from '../../../testing/client.ts'
import type { LateCable } from '../late-cables.ts'
import { encode } from '../raw.ts'
import { cableReady, derived, jwt, now, pubsub, sign } from '../signing.ts'
import type { World } from '../world.ts'
import { Actor, write } from './actor.ts'
import {
  BACKEND_BODIES,
  BAD_BROADCASTS,
  FATAL,
  GARBAGE,
  IDS,
  INFOS,
  KEYS,
  NUMBERS,
  REJECTED,
  WHISPERS,
} from './corpus.ts'
import { isTooDeep, long, nested, parseFrame, print, Text } from './json.ts'
import { LateEars, LateRoom } from './late-model.ts'
import { type Asked, type Member, type Message, type Place, PromptEars, Room, type Subscription } from './model.ts'
import type { Random } from './random.ts'

/** The machine was too slow to tell anything: a resumed client was not heard in time. */
export class Inconclusive extends Error {}
/** A resumed subscription waits two seconds for its client. */
const GRACE_MS = 1_500

const LATER = { place: undefined, since: 'none' } as const
const NEVER = { place: undefined, since: 'gap' } as const
const NOTHING: Asked = { wire: undefined, place: undefined, since: undefined }
const CHANNELS = { turbo: 'Turbo::StreamsChannel', data: '$pubsub' }

/** For what a late cable owes: it asks its broker again after a second. */
const PATIENCE_MS = 30_000

interface Publication {
  readonly stream: string
  readonly message: Message
  readonly transient: boolean
}

export class Sequence {
  /** What was said, one line each. */
  readonly log: string[] = []
  readonly #world: World
  readonly #random: Random
  readonly #actors: readonly Actor[]
  readonly #room: Room
  /** If the cable's broker answers later. */
  readonly #late: { readonly cable: LateCable; readonly room: LateRoom; readonly watcher: Actor } | undefined
  readonly #streams: readonly string[]
  /** The ids that a backend sent, also in lists that were refused. */
  readonly #ids: string[] = []
  /** Publications that the broker did not take. */
  readonly #refused: (readonly Publication[])[] = []
  readonly #name: string
  #said = 0

  /** `late`: the cable, if its broker answers later. */
  constructor(world: World, random: Random, name: string, late?: LateCable) {
    this.#world = world
    this.#random = random
    this.#name = name
    this.#streams = ['a', 'b/é', 'c'].map(stream => `${name}/${stream}`)
    const newActor = (user: string) =>
      new Actor(user, random, JSON.stringify({ user: `${name}/${user}` }), late ? new LateEars() : new PromptEars())
    this.#actors = ['ada', 'bob'].map(newActor)
    if (late === undefined) {
      this.#room = new Room(this.#actors)
      return
    }
    const watcher = newActor('watcher')
    // (So that no gap ends its connection.)
    watcher.extended = false
    const room = new LateRoom([watcher, ...this.#actors], late.isShared)
    this.#room = room
    this.#late = { cable: late, room, watcher }
  }

  /** Throws when the cable does not do what it must. */
  async run(steps: number): Promise<void> {
    await this.#watch()
    for (const actor of this.#actors) await this.#connect(actor)
    for (let i = 0; i < steps; i++) await this.#step()
    await this.#settle()
    for (const actor of this.#actors) {
      if (this.#random.chance(0.5)) actor.client.ws.close()
      else actor.client.ws.terminate()
      await actor.client.closed
    }
  }

  async #step(): Promise<void> {
    const actor = this.#random.pick(this.#actors)
    const does = this.#random.weighted([
      [this.#subscribe, 16],
      [this.#subscribeInVain, 5],
      [this.#unsubscribe, 6],
      [this.#history, 7],
      [this.#whisper, 5],
      [this.#join, 5],
      [this.#leave, 2],
      [this.#askPresence, 3],
      [this.#garbage, 7],
      [this.#fragments, 3],
      [this.#broadcast, 18],
      [this.#broadcastInVain, 3],
      [this.#rest, 3],
      [this.#lose, 5],
      [this.#break, 4],
      [this.#intrude, 3],
      [this.#dismiss, 2],
      ...(this.#late?.cable.setAway ? ([[this.#outage, 2]] as const) : []),
      ...(this.#late ? ([[this.#subscribeAmid, 8]] as const) : []),
    ] as const)
    await does.call(this, actor)
  }

  #note(actor: Actor | undefined, text: string): void {
    this.log.push(`${actor?.name ?? 'backend'} ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`)
  }

  /** Returns whether the command may be obeyed. */
  #say(actor: Actor, command: object): boolean {
    const text = print(command)
    this.#note(actor, text)
    actor.client.send(this.#random.chance(0.1) ? Buffer.from(text) : text)
    return !isTooDeep(command)
  }

  /** All commands are answered, and nothing is under way; what came is what was owed. */
  async #settle(): Promise<void> {
    await this.#hear()
    if (this.#late === undefined) return
    const { cable, room } = this.#late
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      await cable.settled()
      await this.#hear()
      const missing = room.compare()
      if (missing.length === 0) return
      assert.ok(performance.now() < deadline, `owed, and did not come:\n${missing.join('\n')}`)
    }
  }

  /** All commands are answered. */
  async #hear(...actors: readonly Actor[]): Promise<void> {
    const all = this.#late ? [this.#late.watcher, ...this.#actors] : this.#actors
    for (const actor of actors.length > 0 ? actors : all) {
      if (!actor.connected) continue
      actor.client.ping()
      const frames = await actor.client.until(({ type }) => type === 'pong' || type === 'disconnect')
      const { type, reason, reconnect } = frames.pop()!
      if (type === 'pong') actor.ears.hear(frames)
      else {
        assert.deepEqual([reason, reconnect], ['messages_missed', true])
        await this.#comeBack(actor)
      }
      assert.deepEqual(actor.client.errors, [])
    }
  }

  /** The cable asked a client without a page to come back, because messages are missing. */
  async #comeBack(actor: Actor): Promise<void> {
    this.#note(actor, 'is asked to come back')
    assert.deepEqual(await actor.client.closed, { code: 1000, text: 'Messages missed' })
    this.#late!.room.cameBack(actor)
    // (All nodes must know that its session has ended.)
    if (this.#late!.cable.isShared) await this.#late!.cable.settled()
    actor.connected = false
    actor.resumable = false
    await this.#connect(actor)
  }

  /** Before something that others notice. A late cable is often not left to settle, unless its nodes must agree (`isShared`). */
  async #calm(isShared = this.#late?.cable.isShared): Promise<void> {
    if (this.#late && !(isShared && !this.#late.room.isAway) && (this.#late.room.isAway || this.#random.chance(0.7)))
      await this.#hear()
    else await this.#settle()
  }

  /** Listens to all streams, and so learns each offset. */
  async #watch(): Promise<void> {
    if (this.#late === undefined) return
    const { room, watcher } = this.#late
    watcher.client = await this.#world.connect({ parse: parseFrame, query: '?pi=0' })
    watcher.sids = [(await watcher.client.welcomed()).sid!]
    watcher.connected = true
    for (const stream of this.#streams) {
      this.#say(watcher, { command: 'subscribe', identifier: pubsub(stream) })
      room.subscribe(watcher, newSubscription(pubsub(stream), stream, 'data', undefined), NOTHING)
    }
    await this.#settle()
  }

  async #connect(actor: Actor): Promise<void> {
    const random = this.#random
    const wanted = actor.sids.length === 0 || random.chance(0.2) ? random.pick(['', 'nobody']) : actor.sids[0]!
    const inHeader = random.chance(0.3)
    const query = [
      ...(actor.known ? [`jid=${jwt({ ext: actor.identity })}`] : []),
      ...(inHeader ? [] : [`sid=${wanted}`]),
      'pi=0',
    ].join('&')
    this.#note(
      actor,
      `connects, ${actor.extended ? 'extended' : 'base'}, ${actor.known ? 'known' : 'anonymous'}, sid=${wanted}`,
    )
    const begun = performance.now()
    actor.client = await this.#world.connect({
      query: `?${query}`,
      headers: inHeader ? { 'x-anycable-restore-sid': wanted } : {},
      protocols: [actor.extended ? EXTENDED : BASE],
      parse: parseFrame,
    })
    const welcome = await actor.client.next()
    // (Nodes keep sessions in Redis.)
    const isKept = !(this.#late?.cable.isShared && this.#late.room.isAway)
    const restored = isKept && actor.extended && actor.resumable && wanted !== '' && wanted === actor.sids[0]
    for (const { identifier, healing } of actor.mine) if (healing) actor.subscriptions.delete(identifier)
    const ids = [...actor.subscriptions.keys()]
    assert.deepEqual(
      { ...welcome, ...(welcome.restored_ids ? { restored_ids: [...welcome.restored_ids].sort() } : {}) },
      {
        type: 'welcome',
        sid: welcome.sid,
        ...(restored ? { restored: true } : {}),
        ...(restored ? { restored_ids: ids.sort() } : {}),
      },
    )
    actor.connected = true
    actor.resumable = isKept
    actor.sids = [welcome.sid!, ...(restored ? actor.sids.slice(0, 8) : [])]
    if (!restored) {
      actor.subscriptions.clear()
      if (!actor.known) actor.identity = JSON.stringify({ sid: welcome.sid })
      return
    }
    this.#room.resume(actor)
    if (random.chance(0.5)) await this.#broadcast()
    for (const subscription of actor.mine) {
      const asked = this.#askable(subscription.stream, true)
      this.#say(actor, { command: 'history', identifier: subscription.identifier, history: asked.wire })
      this.#room.history(actor, subscription, asked)
    }
    const frames = await actor.client.answers()
    if (performance.now() - begun > GRACE_MS) throw new Inconclusive()
    actor.ears.hear(frames)
  }

  /** What a client may ask the history of a stream for. `sure`: something. */
  #askable(stream: string, sure = false): Asked {
    const random = this.#random
    const known = this.#room.known(stream)
    const all = now() - 1000
    const streams = (epoch: string, offset: unknown) => ({ streams: { [stream]: { epoch, offset } } })
    const from = () => {
      const { message, place } = random.pick(known)
      return { wire: streams(message.epoch!, message.offset), place, since: undefined }
    }
    const beyond = (): Asked => {
      const { message } = random.pick(known)
      const offset = new Text(random.pick(['9007199254740991', '1e400', '-1', '0.5', '123456789012345678901234567890']))
      return { wire: streams(message.epoch!, offset), place: 'gap', since: undefined }
    }
    const deep = random.pick([{ since: nested(64) }, { since: 1, streams: nested(5_000) }, streams('x', nested(62))])
    const options: Asked[] = [
      { wire: { since: all }, place: undefined, since: 'all' },
      { wire: { since: all, streams: {} }, place: undefined, since: 'all' },
      { wire: { since: now() + 1000 }, place: undefined, since: 'none' },
      { wire: { since: random.pick([new Text('1e400'), new Text('1234567890123456789012')]) }, ...LATER },
      { wire: { since: random.pick([new Text('-1e400'), nested(60), long(30_000)]) }, ...NEVER },
      ...(known.length > 0 ? [from(), from(), from(), beyond()] : []),
      ...(sure ? [] : [NOTHING, NOTHING, NOTHING, { ...NOTHING, wire: deep }]),
      { wire: { streams: {} }, place: undefined, since: undefined },
      { wire: { streams: { ['x'.repeat(30_000)]: { offset: 1 } } }, place: undefined, since: undefined },
      { wire: streams('other', 1), place: 'gap', since: undefined },
      { wire: { since: all, ...streams('other', -1) }, place: 'gap', since: 'all' },
    ]
    return random.pick(options)
  }

  async #subscribe(actor: Actor, stream = this.#random.pick(this.#streams)): Promise<void> {
    const random = this.#random
    const known = this.#room.known(stream)
    let page: Place
    let extra: object = random.pick([
      {},
      {},
      { x: '</script>\u2028' },
      { x: random.pick(NUMBERS) },
      { x: nested(63) },
      { x: long(3_500) },
      // No position, as it is too large, or not a string.
      { position: random.pick(['123456789012345678901234567890/other', ...NUMBERS]) },
    ])
    if (random.chance(0.3)) {
      page = 'gap'
      extra = { position: random.pick(['-', '1/other', '999999999/other']) }
      if (known.length > 0 && random.chance(0.8)) {
        const { message, place } = random.pick(known)
        page = place
        extra = { position: `${message.offset}/${message.epoch}` }
      }
    }
    const kind = random.pick(['turbo', 'turbo', 'data', 'data', 'html'] as const)
    const identifier =
      kind === 'html'
        ? cableReady(stream)
        : print({ channel: CHANNELS[kind], signed_stream_name: sign(stream), ...extra })
    // While the broker is away a replay waits for a second, and only an answer shows that it is over.
    const asked = this.#askable(stream, this.#late?.room.isAway)
    const joins = random.chance(0.15) && !this.#isCut ? this.#member() : undefined
    // Not asked for: a time of 0, which the smallest number is as well.
    const history =
      asked.wire ?? random.pick([undefined, undefined, { since: new Text('-0') }, { since: new Text('1e-400') }])
    const restored = actor.subscriptions.get(identifier)
    if (joins !== undefined) await this.#calm()
    if (restored?.confirmed === false && !(await this.#isSure(actor))) return
    if (!this.#say(actor, { command: 'subscribe', identifier, history, presence: joins })) return
    const held = actor.subscriptions.get(identifier)
    if (held?.confirmed) return
    const subscription = held ?? newSubscription(identifier, stream, kind, kind === 'html' ? undefined : page)
    this.#room.subscribe(actor, subscription, asked)
    if (joins === undefined) return
    this.#room.join(actor, subscription, joins)
    await this.#aftermath(actor)
  }

  async #subscribeInVain(actor: Actor): Promise<void> {
    const identifier = this.#random.pick(REJECTED)(this.#random.pick(this.#streams))
    this.#say(actor, { command: 'subscribe', identifier, history: { since: 1 }, presence: { id: 'x' } })
    actor.ears.owe({ frame: { type: 'reject_subscription', ...(identifier === '' ? {} : { identifier }) } })
  }

  /** Something the actor is subscribed to; now and then something it is not. */
  #some(actor: Actor): Subscription | undefined {
    return this.#random.chance(0.9) && actor.subscriptions.size > 0 ? this.#random.pick(actor.mine) : undefined
  }

  /** Whether it is known what the actor has of its streams, so that it can be asked for more. */
  async #isSure(actor: Actor): Promise<boolean> {
    if (this.#late === undefined) return true
    if (!this.#late.room.isSure(actor) && !this.#late.room.isAway) await this.#settle()
    return this.#late.room.isSure(actor)
  }

  /** What others notice has happened. */
  async #aftermath(actor: Actor, isShared = this.#late?.cable.isShared): Promise<void> {
    if (this.#late && !(isShared && !this.#late.room.isAway)) await this.#hear(actor)
    else await this.#settle()
  }

  /** Says something about a subscription that others notice. */
  async #aloud(
    actor: Actor,
    command: string,
    more: object,
    then: (subscription: Subscription) => void,
    isShared?: boolean,
  ): Promise<void> {
    await this.#calm(isShared)
    const subscription = this.#some(actor)
    const heard = this.#say(actor, { command, identifier: subscription?.identifier ?? 'not mine', ...more })
    if (heard && subscription) then(subscription)
    await this.#aftermath(actor, isShared)
  }

  #unsubscribe(actor: Actor): Promise<void> {
    return this.#aloud(actor, 'unsubscribe', {}, subscription => this.#room.unsubscribe(actor, subscription))
  }

  async #history(actor: Actor): Promise<void> {
    if (!(await this.#isSure(actor))) return
    const subscription = this.#some(actor)
    const asked = subscription ? this.#askable(subscription.stream, subscription.page !== undefined) : NOTHING
    const identifier = subscription?.identifier ?? 'not mine'
    const heard = this.#say(actor, { command: 'history', identifier, history: asked.wire })
    if (heard && subscription && asked.wire) this.#room.history(actor, subscription, asked)
  }

  #whisper(actor: Actor): Promise<void> {
    const data = this.#random.pick(WHISPERS)
    const whisper = (subscription: Subscription) => this.#room.whisper(actor, subscription, data)
    return this.#aloud(actor, 'whisper', { data }, whisper, false)
  }

  #join(actor: Actor): Promise<void> {
    const bad = this.#random.pick([7, ...NUMBERS, nested(1), null])
    if (this.#random.chance(0.15)) return this.#aloud(actor, 'join', { presence: { id: bad } }, () => {})
    const presence = this.#member()
    return this.#aloud(actor, 'join', { presence }, subscription => this.#room.join(actor, subscription, presence))
  }

  #member(): Member {
    const id = this.#random.pick(IDS)
    return { id, info: this.#random.chance(0.5) ? new Text(print({ of: id })) : this.#random.pick(INFOS) }
  }

  #leave(actor: Actor): Promise<void> {
    return this.#aloud(actor, 'leave', {}, subscription => this.#room.leave(actor, subscription))
  }

  async #askPresence(actor: Actor): Promise<void> {
    const isShared = this.#late?.cable.isShared
    if (isShared) await this.#settle()
    const subscription = this.#some(actor)
    this.#say(actor, { command: 'presence', identifier: subscription?.identifier ?? 'not mine' })
    if (subscription === undefined) return
    this.#room.askPresence(actor, subscription)
    // (The answer comes from elsewhere, and later commands do not wait for it.)
    if (isShared) actor.ears.hear(await actor.client.until(isAnswer))
  }

  async #garbage(actor: Actor): Promise<void> {
    const garbage = this.#random.pick(GARBAGE)
    this.#note(actor, `garbage: ${garbage}`)
    actor.client.send(garbage)
  }

  async #fragments(actor: Actor): Promise<void> {
    const text = Buffer.from('{"command":"ping","identifier":"é🦄"}')
    const at = this.#random.below(text.length)
    this.#note(actor, `a ping in fragments, cut at ${at}`)
    write(
      actor,
      encode(text.subarray(0, at), { fin: false }),
      encode('probe', { opcode: 9 }),
      encode(text.subarray(at), { opcode: 0 }),
    )
    actor.ears.owe({ frame: { type: 'pong' } })
    // The answer looks like that of a settling, so it is taken here.
    actor.ears.hear(await actor.client.until(({ type }) => type === 'pong'))
  }

  async #broadcast(): Promise<void> {
    await this.#settleLive()
    const random = this.#random
    const length = random.chance(0.2) ? 1 + random.below(4) : 1
    await this.#publish(
      Array.from({ length }, () => this.#publication(random.pick([...this.#streams, 'nobody/listens']))),
    )
  }

  #publication(stream: string): Publication {
    const random = this.#random
    const body = random.chance(0.5) ? random.pick(BACKEND_BODIES).json : print(`said ${this.#said++}`)
    const transient = random.chance(0.15)
    const type = random.chance(0.1) ? 'custom' : undefined
    const actor = random.pick(this.#actors)
    const exclude = random.chance(0.2) ? random.pick([...actor.sids, 'nobody']) : undefined
    const id = random.chance(0.5) ? this.#id() : undefined
    const key = random.chance(0.4) ? random.pick(KEYS) : undefined
    return { stream, message: { body, type, exclude, id, key }, transient }
  }

  /** Backends broadcast to a stream while the cable reads a replay of it. */
  async #subscribeAmid(actor: Actor): Promise<void> {
    const random = this.#random
    const stream = random.pick(this.#streams)
    const broadcast = () => this.#publish(Array.from({ length: 1 + random.below(4) }, () => this.#publication(stream)))
    if (random.chance(0.5)) await broadcast()
    await this.#subscribe(actor, stream)
    if (random.chance(0.5)) await this.#hear(actor)
    await broadcast()
  }

  async #publish(batch: readonly Publication[]): Promise<void> {
    const wire = batch.map(({ stream, message: { body, type, exclude, id, key }, transient }) => ({
      stream,
      data: body,
      meta: { transient, broadcast_type: type, exclude_socket: exclude, id, key },
    }))
    this.#note(undefined, JSON.stringify(wire))
    const answer = await this.#world.post(wire.length === 1 ? wire[0] : wire)
    if (this.#late?.room.isAway) {
      assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1'])
      assert.equal(((await answer.json()) as { error: string }).error, 'broker_unavailable')
      this.#late.room.refuse(batch)
      this.#refused.push(batch)
      return
    }
    assert.equal(answer.status, 201)
    for (const { stream, message, transient } of batch) this.#room.broadcast(stream, message, transient)
  }

  /** An id of a publication: half of them were sent before. */
  #id(): string {
    const random = this.#random
    if (this.#ids.length > 0 && random.chance(0.5)) return random.pick(this.#ids)
    const id = `${this.#name}/${this.#ids.length}`
    this.#ids.push(random.chance(0.8) ? id : id.padEnd(64, 'é'))
    return this.#ids.at(-1)!
  }

  /** While a resumed session has not said where it is, nothing is asked of it. */
  async #settleLive(): Promise<void> {
    if (this.#late) return
    if (this.#actors.every(actor => actor.mine.every(({ live }) => live))) await this.#settle()
    else
      for (const actor of this.#actors)
        if (actor.connected && actor.mine.every(({ live }) => live)) actor.ears.hear(await actor.client.answers())
  }

  async #broadcastInVain(): Promise<void> {
    const body = this.#random.pick([
      ...BAD_BROADCASTS,
      JSON.stringify([{ stream: this.#streams[0], data: '1', meta: { id: this.#id() } }, { stream: this.#streams[1] }]),
    ])
    const unauthorized = this.#random.chance(0.3)
    this.#note(undefined, `${unauthorized ? 'without the key ' : ''}${body}`)
    const init = unauthorized ? { headers: { authorization: 'Bearer guessed' } } : {}
    assert.equal((await this.#world.post(body, init)).status, unauthorized ? 401 : 422)
  }

  async #rest(): Promise<void> {
    await this.#calm()
    const stream = this.#random.pick(this.#streams)
    const url = `${this.#world.server.http}/api/presence/${encodeURIComponent(stream)}/users`
    this.#note(undefined, `asks for the members of ${stream}`)
    const answer = await fetch(url, { headers: { authorization: `Bearer ${derived('api-cable')}` } })
    assert.equal(await answer.text(), this.#room.present(stream))
  }

  /** The connection goes, in the middle of a frame or politely, and the client comes back. */
  async #lose(actor: Actor): Promise<void> {
    await this.#calm()
    if (!(await this.#isSure(actor))) return
    const how = this.#random.pick(['vanishes', 'vanishes in the middle of a frame', 'closes'] as const)
    this.#note(actor, how)
    if (how === 'closes') actor.client.ws.close(1000)
    else {
      if (how !== 'vanishes') write(actor, encode('{"command":"unsubscribe"}').subarray(0, 9))
      actor.client.ws.terminate()
    }
    this.#lost(actor)
    await actor.client.closed
    if (this.#random.chance(0.5)) await this.#broadcast()
    if (this.#random.chance(0.3)) await this.#intrude(actor)
    await this.#connect(actor)
  }

  async #break(actor: Actor): Promise<void> {
    await this.#calm()
    if (!(await this.#isSure(actor))) return
    const [about, bytes, code] = this.#random.pick(FATAL)
    this.#note(actor, `sends ${about}`)
    write(actor, bytes())
    this.#lost(actor)
    assert.equal((await actor.client.closed).code, code)
    await this.#connect(actor)
  }

  /** An intruder with a good sid, and with a bad token or the token of another, resumes nothing, and the session can still resume. */
  async #intrude(actor: Actor): Promise<void> {
    if (this.#random.chance(0.4)) {
      this.#note(undefined, `another identity comes with the sid of ${actor.name}`)
      const query = `?jid=${jwt({ ext: 'another user' })}&sid=${actor.sids[0]}`
      const other = await this.#world.connect({ query, protocols: [EXTENDED] })
      const welcome = await other.next()
      assert.deepEqual(welcome, { type: 'welcome', sid: welcome.sid })
      await other.drop()
      return
    }
    const token = this.#random.pick([
      jwt({ ext: actor.identity }, { secret: 'guessed' }),
      'x.y.z',
      jwt({ ext: actor.identity, exp: 1 }),
    ])
    this.#note(undefined, `an intruder comes with a bad token and the sid of ${actor.name}`)
    const intruder = await this.#world.connect({ query: `?jid=${token}&sid=${actor.sids[0]}`, protocols: [EXTENDED] })
    intruder.send({ command: 'subscribe', identifier: pubsub(this.#streams[0]!), history: { since: 1 } })
    const frame: Frame = await intruder.next()
    assert.deepEqual([frame.type, frame.reconnect], ['disconnect', false])
    await assert.rejects(intruder.next(), /closed with/)
    assert.deepEqual(await intruder.closed, { code: 1000, text: 'Auth Failed' })
  }

  async #dismiss(actor: Actor): Promise<void> {
    await this.#calm()
    const reconnect = this.#random.chance(0.5)
    this.#note(undefined, `disconnects ${actor.name}`)
    await this.#world.post({ command: 'disconnect', payload: { identifier: actor.identity, reconnect } })
    const frames = await actor.client.until(({ type }) => type === 'disconnect')
    assert.deepEqual(frames.pop(), { type: 'disconnect', reason: 'remote', reconnect })
    actor.ears.hear(frames)
    assert.deepEqual(await actor.client.closed, { code: 1000, text: 'Closed remotely' })
    this.#lost(actor)
    actor.resumable = false
    await this.#connect(actor)
  }

  #lost(actor: Actor): void {
    actor.connected = false
    this.#room.lost(actor)
  }

  /** The broker is away for some steps. A backend may try again; then the pages of what stays lost have a gap. */
  async #outage(): Promise<void> {
    const { cable, room } = this.#late!
    await this.#settle()
    const { forgotten: before } = await cable.settled()
    this.#note(undefined, 'the broker is away')
    room.isAway = true
    await cable.setAway!(true)
    for (let steps = 1 + this.#random.below(6); steps > 0; steps--) await this.#stepWhileAway()
    await this.#hear()
    room.isAway = false
    await cable.setAway!(false)
    this.#note(undefined, 'the broker is back')
    const refused = this.#refused.splice(0)
    for (const batch of refused) if (this.#random.chance(0.4)) await this.#publish(batch)
    const { forgotten } = await cable.settled()
    if (forgotten > before && refused.length > 0) throw new Inconclusive()
    while (room.refused.size > 0) if (!(await cable.settled()).isOwing) room.forgot()
    while (room.askedBack.size > 0) await this.#hear()
    await this.#settle()
  }

  async #stepWhileAway(): Promise<void> {
    const actor = this.#random.pick(this.#actors)
    const does = this.#random.weighted([
      [this.#subscribe, 6],
      [this.#history, 2],
      [this.#whisper, 2],
      [this.#broadcast, 6],
      [this.#lose, 2],
      ...(this.#isCut
        ? []
        : ([
            [this.#unsubscribe, 2],
            [this.#askPresence, 1],
          ] as const)),
    ] as const)
    await does.call(this, actor)
  }

  /** Whether nodes have no Redis: they tell of presence later. */
  get #isCut(): boolean {
    const { cable, room } = this.#late ?? {}
    return (cable?.isShared && room?.isAway) ?? false
  }
}

const isAnswer = ({ type, message }: Frame): boolean => type === 'presence' && String(message).startsWith('{"type":')

const newSubscription = (
  identifier: string,
  stream: string,
  kind: Subscription['kind'],
  page: Place,
): Subscription => ({
  identifier,
  stream,
  kind,
  page,
  live: false,
  covered: 0,
  confirmed: false,
  healing: false,
  late: [],
})
