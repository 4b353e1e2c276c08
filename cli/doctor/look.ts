/**
 * Looks at a cable from outside, as a browser and a backend would: one WebSocket, one stream of events, a few requests. It
 * judges nothing (checks.ts).
 *
 *   open ─▶ welcome ─▶ subscribe ─▶ broadcast ─▶ ping ─▶ until the wait is over, or the connection ends
 *
 * It listens to a stream with a random name, which no page knows, and to the first stream of the page.
 */
import { randomBytes } from 'node:crypto'
import { publication } from '../../backends/typescript/hotcable.ts'
import type { Secret } from '../../server/auth/keys.ts'
import { sign } from '../sign.ts'
import { type Answer, ask, type Failure, parseUrl } from './ask.ts'
import type { Conversation } from './conversation.ts'
import { type EventsVisit, openEvents } from './open-events.ts'
import { openSocket, type SocketVisit } from './open-socket.ts'
import { askForPosition, keyHeaders } from './position.ts'
import type { Target } from './target.ts'

export interface LookOptions {
  readonly origin: string
  readonly token: Token | undefined
  /** Signs the names of Turbo streams. */
  readonly streams: Secret | undefined
  readonly purpose: string
  readonly jwtParam: string
  /** Where the backend broadcasts; `undefined`: not known. */
  readonly broadcastUrl: URL | undefined
  readonly broadcastKey: string | undefined
  /** How long to keep the connection. */
  readonly waitMs: number
  /** How long one step may take. */
  readonly timeoutMs: number
}

export interface Token {
  readonly text: string
  /** Where it comes from, as a part of a sentence. */
  readonly from: string
}

export interface Seen extends Target {
  readonly options: LookOptions
  readonly socket: SocketVisit
  /** Identifiers that the doctor subscribed to. */
  readonly identifiers: readonly string[]
  /** `undefined`: there was no name to listen to. */
  readonly events: EventsVisit | undefined
  /** This machine's clock when the doctor hung up, Unix time in ms. */
  readonly leftAt: number
  /** `undefined`: not asked. */
  readonly broadcast: BroadcastVisit | undefined
  readonly position: Answer | Failure | undefined
  readonly script: { readonly url: URL; readonly answer: Answer | Failure }
}

export interface BroadcastVisit {
  readonly answer: Answer | Failure
  /** Whether the message arrived at the WebSocket; `undefined`: the doctor did not listen. */
  readonly arrived: boolean | undefined
}

export async function look(target: Target, options: LookOptions): Promise<Seen> {
  const { cable, page } = target
  const { origin, token, streams, purpose, timeoutMs } = options
  const stream = `hotcable-doctor/${randomBytes(9).toString('base64url')}`
  const ownName = streams === undefined ? undefined : sign(stream, streams, { purpose })
  const names = [page?.tags.signedName, ownName].filter(name => name !== undefined)
  const identifiers = names.map(name => JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: name }))
  const protocols = [...PROTOCOLS, ...(token === undefined ? [] : [`anycable-token.${token.text}`])]

  const socket = await openSocket(cable, { origin, protocols, timeoutMs })
  const conversation = socket.kind === 'open' ? socket.conversation : undefined
  const events =
    conversation && names.length > 0 ? openEvents(...eventsRequest(cable, names.at(-1)!, options)) : undefined
  try {
    const [script, position, broadcast] = await Promise.all([
      askForScript(target, options),
      options.broadcastUrl && askForPosition(options.broadcastUrl, options.broadcastKey, timeoutMs),
      converse(conversation, { identifiers, stream, isListening: ownName !== undefined, events, options }),
    ])
    if (conversation?.heard[0]?.type === 'welcome')
      await conversation.until(({ type }) => type === 'ping', STALE_MS + 500)
    if (conversation) await conversation.until(() => false, conversation.openedAt + options.waitMs - Date.now())
    const leftAt = Date.now()
    return { ...target, options, socket, identifiers, events, leftAt, script, position, broadcast }
  } finally {
    conversation?.close()
    events?.close()
  }
}

/** The order in which hotcable.js wants them. */
const PROTOCOLS = ['actioncable-v1-ext-json', 'actioncable-v1-json'] as const

/** Clients that hear nothing for two intervals of pings, 3 s each, reconnect. */
export const STALE_MS = 6000

interface Talk {
  identifiers: readonly string[]
  stream: string
  /** Whether one of the identifiers listens to the stream. */
  isListening: boolean
  events: EventsVisit | undefined
  options: LookOptions
}

/** Says hello, subscribes, and broadcasts to itself. */
async function converse(conversation: Conversation | undefined, talk: Talk): Promise<BroadcastVisit | undefined> {
  const { identifiers, stream, isListening, events, options } = talk
  const { timeoutMs } = options
  const first = await conversation?.until(({ type }) => type === 'welcome' || type === 'disconnect', timeoutMs)
  if (conversation && first?.type === 'welcome') {
    for (const identifier of identifiers) conversation.send({ command: 'subscribe', identifier })
    for (const identifier of identifiers) await conversation.until(answersTo(identifier), timeoutMs)
    await events?.started(timeoutMs)
  }
  if (options.broadcastUrl === undefined) return undefined
  const body = publication(stream, HELLO)
  const answer = await ask(options.broadcastUrl, {
    method: 'POST',
    headers: keyHeaders(options.broadcastKey),
    body,
    timeoutMs,
  })
  const confirmed = conversation?.heard.some(
    heard => heard.type === 'confirm_subscription' && heard.identifier === identifiers.at(-1),
  )
  if (!isListening || !confirmed || !('status' in answer) || answer.status >= 300) return { answer, arrived: undefined }
  const arrived = await conversation?.until(({ message }) => message === HELLO, timeoutMs)
  return { answer, arrived: arrived !== undefined }
}

/** The message of the doctor: HTML without an effect. */
export const HELLO = '<!-- hotcable doctor -->'

export const answersTo =
  (identifier: string) =>
  (heard: { type?: string; identifier?: unknown }): boolean =>
    heard.identifier === identifier && (heard.type === 'confirm_subscription' || heard.type === 'reject_subscription')

function eventsRequest(
  cable: URL,
  name: string,
  { origin, token, jwtParam }: LookOptions,
): Parameters<typeof openEvents> {
  const url = new URL(`/events?turbo_signed_stream_name=${encodeURIComponent(name)}`, cable)
  // (A browser sends the token in the query, which proxies may log.)
  return [url, { origin, ...(token && { [`x-${jwtParam}`]: token.text }) }]
}

async function askForScript({ cable, page }: Target, { origin, timeoutMs }: LookOptions): Promise<Seen['script']> {
  const below = new URL(`${cable.pathname.replace(/\/+$/, '')}/hotcable.js`, cable)
  const url = (page && parseUrl(page.tags.script, page.url)) ?? below
  return { url, answer: await ask(url, { headers: { origin, 'accept-encoding': 'gzip' }, timeoutMs }) }
}
