/**
 * Hotcable for TypeScript (Node 22.18 or later): sign a stream name, issue a token, send HTML. Copy this one file.
 *
 * ANYCABLE_SECRET is the one setting needed; arguments win; backends/README.md has the rest. In this order nothing is
 * lost between query and subscription. Commit first: a page that hears of a change too early reads the old data.
 *
 *     const at = await position('board/1')                       // how far its streams are
 *     const cards = await query()                                // the data
 *     const head = metaTags({ visitor: '7' })                    // the client's identity
 *     const body = streamFrom('board/1', at) + render(cards)     // the stream it listens to
 *
 *     await broadcast('board/1', turboStream('append', 'cards', '<li>Hello</li>'))
 */
import { createHmac, randomBytes } from 'node:crypto'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** The client's identity. Key order counts: the cable compares identities as text. */
export type Identity = Record<string, string | number | boolean | null>
type TokenOptions = { secret?: string; ttl?: number; now?: number }
type StreamOptions = { secret?: string; expiresIn?: number; now?: number }
type ScriptOptions = { url?: string; nonce?: string; drive?: boolean }
type CableOptions = { url?: string; key?: string }
type BroadcastOptions = CableOptions & { timeoutMs?: number; retries?: number }

/** The cable did not take a broadcast. The message has its status and reason, or why it did not answer. */
export class BroadcastFailed extends Error {
  override readonly name = 'BroadcastFailed'
}

/** A JWT with the client's identity, for `ttl` seconds from `now` (Unix seconds). Throws without a secret, and for
 *  text that is not UTF-8. */
export function issueToken(identity: Identity, { secret, ttl = 3600, now }: TokenOptions = {}): string {
  const key = secretOf(secret, 'ANYCABLE_JWT_SECRET', 'ANYCABLE_SECRET')
  const claims = JSON.stringify({ ext: json(identity), exp: Math.floor(now ?? Date.now() / 1000) + ttl })
  const unsigned = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(claims)}`
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`
}

/** A stream's name with the proof that this backend lets a client listen to it; with `expiresIn`, for so many seconds
 *  from `now`, in Rails' envelope, which anycable-go refuses. Throws without a secret, and for a name that is not
 *  UTF-8. */
export function signStream(stream: string, { secret, expiresIn, now }: StreamOptions = {}): string {
  const key = secretOf(secret, 'ANYCABLE_TURBO_STREAMS_SECRET', 'ANYCABLE_STREAMS_SECRET', 'ANYCABLE_SECRET')
  const from = Math.floor(now ?? Date.now() / 1000)
  const exp = expiresIn == null ? null : new Date((from + Math.floor(expiresIn)) * 1000).toISOString() // throws at NaN
  const encoded = Buffer.from(json(exp ? { _rails: { data: stream, exp } } : stream)).toString('base64')
  return `${encoded}--${createHmac('sha256', key).update(encoded).digest('hex')}`
}

/** How far the cable is, `<offset>/<epoch>`; ask once for a page, before its queries: one position is valid for all
 *  streams, and their names may be left out. `-`, unknown, on any failure or after 250 ms. */
export async function position(streams: string | readonly string[] = [], options: CableOptions = {}): Promise<string> {
  try {
    const names = [streams].flat().map(stream => `stream=${encodeURIComponent(stream)}`)
    const all = names.join('&')
    const query = all.length <= 4000 ? all : '' // a longer request may be refused, and the names are optional
    const [status, body] = await request('GET', '/position', query, { ...options, timeoutMs: 250 })
    const known = status === 200 ? JSON.parse(body).position : '-'
    return typeof known === 'string' && /^[0-9]+\/[A-Za-z0-9_-]+$/.test(known) ? known : '-'
  } catch {
    return '-' // a page without a position still works; a page that fails does not
  }
}

/** The tag that subscribes a page to a stream, from the position it was made at. Throws without a secret. */
export function streamFrom(stream: string, position: string, options: StreamOptions = {}): string {
  const signed = signStream(stream, options)
  // The id changes with the position: a morph then replaces the element, and the new one subscribes.
  const id = `cable-${signed.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  const attributes = { id, 'data-position': position, channel: 'Turbo::StreamsChannel', 'signed-stream-name': signed }
  return `${tag('turbo-cable-stream-source', attributes)}</turbo-cable-stream-source>`
}

/** Three `<meta>` tags for a page's head: where the cable is, and issueToken's token. Throws without a secret. */
export function metaTags(identity: Identity, { url, ...token }: TokenOptions & { url?: string } = {}): string {
  const cable = url || setting('ANYCABLE_WEBSOCKET_URL') || 'ws://localhost:8080/cable'
  const jid = issueToken(identity, token)
  const withToken = `${cable}${cable.includes('?') ? '&' : '?'}jid=${jid}` // all that @hotwired/turbo-rails reads
  const meta = (name: string, content: string) => tag('meta', { name, content })
  return [meta('action-cable-url', withToken), meta('cable-url', cable), meta('cable-token', jid)].join('\n')
}

/** The `<script>` tag for a page's head that loads hotcable.js from the cable. A `url` that ends in .js is the script's,
 *  any other the cable's. `nonce` is the page's, for its Content-Security-Policy; with `drive: false` Turbo has no
 *  Drive. */
export function scriptTag({ url, nonce, drive = true }: ScriptOptions = {}): string {
  const given = url || setting('ANYCABLE_WEBSOCKET_URL') || 'ws://localhost:8080/cable'
  const [whole = '', path = ''] = /^([^?#]*)[^#]*/.exec(given) ?? []
  const cable = `${path.replace(/\/+$/, '').replace(/^ws(?=s?:\/\/)/i, 'http')}/hotcable.js`
  const script = path.endsWith('.js') ? whole : cable
  const src = drive ? script : `${script}${script.includes('?') ? '&' : '?'}drive=off`
  return `${tag('script', { type: 'module', src, nonce: nonce || null })}</script>`
}

/** A `<turbo-stream>` tag, as `('append', 'cards', '<li>Hi</li>')`. `html` goes in as it is: escape typed text. */
export function turboStream(action: string, target?: string | null, html = '', attributes: Attributes = {}): string {
  const open = tag('turbo-stream', { ...attributes, action, target: action === 'refresh' ? null : target })
  const template = action === 'remove' || action === 'refresh' ? '' : `<template>${text(html)}</template>`
  return `${open}${template}</turbo-stream>`
}

/** The key for broadcasts that the cable derives from its secret. Throws without a secret. */
export function broadcastKey({ secret }: { secret?: string } = {}): string {
  return createHmac('sha256', secretOf(secret, 'ANYCABLE_SECRET')).update('broadcast-cable').digest('hex')
}

/** Sends HTML to all subscribers, in `timeoutMs`. Commit first. Rejects with BroadcastFailed, and no other error, if
 *  the cable did not take it. Without an answer, or after a 5xx, tries again `retries` times, after 0.1, 0.3, 0.9 and
 *  then every 2 s, not before the answer's Retry-After, with the same id: the cable publishes it once, AnyCable
 *  perhaps twice. */
export async function broadcast(stream: string, html: string, options: BroadcastOptions = {}): Promise<void> {
  const id = randomBytes(16).toString('base64url')
  for (let tried = 0; ; tried++) {
    const [status, reason, after, again] = await (async () => {
      const { timeoutMs = 5000, retries = 0 } = options
      const data = JSON.stringify(JSON.stringify(html.toWellFormed()))
      const body = `{"stream":${json(stream)},"data":${data},"meta":{"id":"${id}"}}`
      const [status, reason, after] = await request('POST', '', '', { ...options, timeoutMs, body })
      const isBusy = status === 'nothing' || status >= 500 || (status === 429 && after >= 0)
      const isInTime = tried < retries && after * 1000 <= (retries - tried) * timeoutMs
      return [status, reason, after, isBusy && isInTime] as const
    })().catch(cause => {
      throw new BroadcastFailed(`the cable was not asked: ${cause}`, { cause }) // for example, a name that is not UTF-8
    })
    if (status === 201) return
    if (!again) throw new BroadcastFailed(`the cable answered ${status}: ${reason.slice(0, 200)}`)
    await pause(Math.max(Math.min(100 * 3 ** tried, 2000), after * 1000))
  }
}

type Attributes = Record<string, string | null | undefined>

function secretOf(secret: string | undefined, ...names: string[]): string {
  const found = secret ?? setting(...names)
  if (!found) throw new TypeError(`no secret: set ${names.join(' or ')}`) // an empty key protects nothing
  return found
}

function setting(...names: string[]): string | undefined {
  return names.map(name => process.env[name]).find(Boolean)
}

function json(value: unknown): string {
  const json = JSON.stringify(value)
  if (/(?<!\\)(\\\\)*\\ud/.test(json)) throw new TypeError('text that is not UTF-8') // a lone surrogate is escaped so
  return json
}

/** Replaces each lone surrogate, which UTF-8 cannot hold, with U+FFFD. */
function text(value: unknown): string {
  return String(value).toWellFormed()
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

function tag(name: string, attributes: Attributes): string {
  const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  const pairs = Object.entries(attributes).filter(([, value]) => value != null)
  const escaped = (value: unknown) => text(value).replace(/[&<>"]/g, character => escapes[character]!)
  return `<${name}${pairs.map(([key, value]) => ` ${key}="${escaped(value)}"`).join('')}>`
}

/** `after`: the seconds of Retry-After; -1 without. */
type Answer = [status: number | 'nothing', body: string, after: number]
type Call = CableOptions & { timeoutMs: number; body?: string }

/** Not fetch: it may use the environment's proxy, or a kept socket to a cable that has restarted since. */
async function request(method: string, path: string, query: string, call: Call): Promise<Answer> {
  const derived = setting('ANYCABLE_SECRET') ? broadcastKey() : 'none'
  const key = call.key || setting('ANYCABLE_BROADCAST_KEY') || derived
  if (/[\r\n]/.test(key)) return ['nothing', 'the broadcast key has a line break in it', -1]
  const port = key === 'none' ? 8090 : 8080
  const given = call.url || setting('ANYCABLE_HTTP_BROADCAST_URL')
  const url = given || `http://localhost:${port}/_broadcast`
  if (!/^https?:\/\//i.test(url)) return ['nothing', 'the URL must begin with http:// or https://', -1]
  const note =
    given || port === 8080 || setting('ANYCABLE_SECRET')
      ? ''
      : ' (ANYCABLE_SECRET is missing; with it the port is 8080)'
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (key !== 'none') headers.Authorization = Buffer.from(`Bearer ${key}`).toString('latin1') // UTF-8 on the wire
  const signal = AbortSignal.timeout(call.timeoutMs)
  let status: number | 'nothing' = 'nothing'
  let after = -1
  const body = await new Promise<string>((resolve, reject) => {
    const init = { method, headers, signal, agent: false }
    const at = new URL(url)
    if (path) at.pathname = at.pathname.replace(/\/+$/, '') + path
    if (query) at.search = [at.search.slice(1), query].filter(Boolean).join('&')
    const sent = (at.protocol === 'https:' ? https : http).request(at, init)
    sent.on('error', reject)
    sent.on('socket', ignoreFailedWrites)
    sent.on('response', response => {
      status = response.statusCode ?? 0 // it counts even if the body fails
      after = Number(/^\d+$/.exec(response.headers['retry-after'] ?? '-1') ?? -1)
      resolve(read(response))
    })
    sent.end(call.body && Buffer.from(call.body)) // bytes, or node:http writes the headers in UTF-8 as well
  }).catch(error => {
    const why = signal.aborted ? `took more than ${call.timeoutMs} ms` : error.message || error.code || String(error)
    return `${url.replace(/(?<=\/\/)[^/]*@|[?#].*/gs, '')}${note}: ${why}` // both may be secret
  })
  return [status, body, after]
}

/** Reads 64 KiB at most: a reason is shorter. */
async function read(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of response.setEncoding('utf8')) {
    text += part
    if (text.length > 65_536) break
  }
  return text
}

/** A cable may answer and hang up before it has read a long body: node:http would drop that answer. */
function ignoreFailedWrites(socket: Socket): void {
  const { _write } = socket
  socket._write = (chunk, encoding, written) => _write.call(socket, chunk, encoding, () => written())
  Object.assign(socket, { _writev: undefined })
}
