/**
 * Hotcable for JavaScript (Node 20 or later): sign a stream name, issue a token, send HTML. Copy this one file.
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
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'

export const TURBO_STREAM = 'text/vnd.turbo-stream.html; charset=utf-8' // the type of an answer of turboStream tags

/** The cable did not take a broadcast. The message has its status and reason, or why it did not answer. */
export class BroadcastFailed extends Error {
  name = 'BroadcastFailed'
}

/** A JWT with the identity, for `ttl` seconds from `now`. Throws without a secret, or if text is not UTF-8. */
export function issueToken(identity, { secret, ttl = 3600, now } = {}) {
  const key = secretOf(secret, 'ANYCABLE_JWT_SECRET', 'ANYCABLE_SECRET')
  const claims = JSON.stringify({ ext: json(identity), exp: Math.floor(now ?? Date.now() / 1000) + ttl })
  const base64url = text => Buffer.from(text).toString('base64url')
  const unsigned = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(claims)}`
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`
}

/** A stream's name with the proof that a client may listen to it; with `expiresIn`, for so many seconds from `now`, in
 *  Rails' envelope, which anycable-go refuses. Throws without a secret, or if the name is not UTF-8. */
export function signStream(stream, { secret, expiresIn, now } = {}) {
  const key = secretOf(secret, 'ANYCABLE_TURBO_STREAMS_SECRET', 'ANYCABLE_STREAMS_SECRET', 'ANYCABLE_SECRET')
  const from = Math.floor(now ?? Date.now() / 1000)
  const exp = expiresIn == null ? null : new Date((from + Math.floor(expiresIn)) * 1000).toISOString() // throws at NaN
  const encoded = Buffer.from(json(exp ? { _rails: { data: stream, exp } } : stream)).toString('base64')
  return `${encoded}--${createHmac('sha256', key).update(encoded).digest('hex')}`
}

/** How far the cable is, `<offset>/<epoch>`; ask once for a page, before its queries: one position is valid for all
 *  streams, and their names may be left out. `-`, unknown, on any failure or after 250 ms. */
export async function position(streams = [], options = {}) {
  try {
    const all = [streams]
      .flat()
      .map(stream => `stream=${encodeURIComponent(stream)}`)
      .join('&')
    const query = all.length <= 4000 ? all : '' // a longer request may be refused, and the names are optional
    const [status, body] = await request('GET', '/position', query, { ...options, timeoutMs: 250 })
    const known = status === 200 ? JSON.parse(body).position : '-'
    return typeof known === 'string' && /^[0-9]+\/[A-Za-z0-9_-]+$/.test(known) ? known : '-'
  } catch {
    return '-' // a page without a position still works; a page that fails does not
  }
}

/** The tag that subscribes a page to a stream, from the position it was made at. Throws without a secret. */
export function streamFrom(stream, position, options = {}) {
  const signed = signStream(stream, options)
  // The id changes with the position: a morph then replaces the element, and the new one subscribes.
  const id = `cable-${signed.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  const attributes = { id, 'data-position': position, channel: 'Turbo::StreamsChannel', 'signed-stream-name': signed }
  return `${tag('turbo-cable-stream-source', attributes)}</turbo-cable-stream-source>`
}

/** The tag that subscribes a page to a stream or several by server-sent events, for which Turbo needs no other script.
 *  `url` is by default /events on the cable's host; `secret` is for names and token. Throws without a secret. */
export function sourceTag(streams, position, identity, options = {}) {
  const names = [streams].flat().map(stream => signStream(stream, options))
  const url =
    options.url || (setting('ANYCABLE_WEBSOCKET_URL') || CABLE).replace(/^ws(s?:\/\/[^/?#]*).*/is, 'http$1/events')
  const query = names.map(name => `turbo_signed_stream_name=${encodeURIComponent(name)}&`).join('')
  const rest = `position=${encodeURIComponent(position)}&jid=${issueToken(identity, options)}`
  const src = `${url}${url.includes('?') ? '&' : '?'}${query}${rest}`
  const id = `source-${names[0].slice(-64, -56)}-${position.replaceAll('/', '-')}`
  return `${tag('turbo-stream-source', { id, src })}</turbo-stream-source>`
}

/** Three `<meta>` tags for a page's head: where the cable is, and issueToken's token. Throws without a secret. */
export function metaTags(identity, { url, ...token } = {}) {
  const cable = url || setting('ANYCABLE_WEBSOCKET_URL') || CABLE
  const jid = issueToken(identity, token)
  const withToken = `${cable}${cable.includes('?') ? '&' : '?'}jid=${jid}` // all that @hotwired/turbo-rails reads
  const meta = (name, content) => tag('meta', { name, content })
  return [meta('action-cable-url', withToken), meta('cable-url', cable), meta('cable-token', jid)].join('\n')
}

/** The `<script>` tag that loads hotcable.js from the cable. A `url` that ends in .js is the script's, any other the
 *  cable's. `nonce` is for a Content-Security-Policy; with `drive: false` Turbo has no Drive. */
export function scriptTag({ url, nonce, drive = true } = {}) {
  const [whole = '', path = ''] = /^([^?#]*)[^#]*/.exec(url || setting('ANYCABLE_WEBSOCKET_URL') || CABLE) ?? []
  const cable = `${path.replace(/\/+$/, '').replace(/^ws(?=s?:\/\/)/i, 'http')}/hotcable.js`
  const script = path.endsWith('.js') ? whole : cable
  const src = drive ? script : `${script}${script.includes('?') ? '&' : '?'}drive=off`
  return `${tag('script', { type: 'module', src, nonce: nonce || null })}</script>`
}

/** A `<turbo-stream>` tag, as `('append', 'cards', '<li>Hi</li>')`. `html` goes in as it is: escape typed text. */
export function turboStream(action, target, html = '', attributes = {}) {
  const open = tag('turbo-stream', { ...attributes, action, target: action === 'refresh' ? null : target })
  const template = action === 'remove' || action === 'refresh' ? '' : `<template>${text(html)}</template>`
  return `${open}${template}</turbo-stream>`
}

/** Whether the Accept header of a request says that Turbo sent it: a form may be answered by turboStream tags. */
export function wantsTurboStream(accept) {
  return /(^|,)\s*text\/vnd\.turbo-stream\.html\s*(;|,|$)/i.test(accept ?? '')
}

/** The key for broadcasts that the cable derives from its secret. Throws without a secret. */
export function broadcastKey({ secret } = {}) {
  return derived('broadcast-cable', secret)
}

/** The JSON text of a broadcast, with a new id: for publish, or an outbox. Throws if the name is not UTF-8. */
export function publication(stream, html, options = {}) {
  const exclude_socket = options.exclude ? text(options.exclude) : undefined
  const kept = { transient: options.transient || undefined, key: options.latest || undefined }
  const meta = { id: randomBytes(16).toString('base64url'), exclude_socket, ...kept }
  const data = JSON.stringify(JSON.stringify(html.toWellFormed()))
  return `{"stream":${json(stream)},"data":${data},"meta":${json(meta)}}`
}

/** Sends HTML to all subscribers but the client whose X-Socket-ID is `exclude`, in `timeoutMs`. Commit first. The cable
 *  replays none that is `transient`, and only the newest of those with one name in `latest`. Rejects with
 *  BroadcastFailed, and no other error, if the cable did not take it. Without an answer, or after a 5xx, tries again
 *  `retries` times, after 0.1, 0.3, 0.9 and then every 2 s, not before the answer's Retry-After, with the same id. */
export async function broadcast(stream, html, options = {}) {
  await post(() => publication(stream, html, options), options)
}

/** Sends publications in one request: all of them or none. Fails and tries again as broadcast does. */
export async function publish(publications, options = {}) {
  await post(() => `[${publications.join()}]`, options)
}

/** Ends all connections of an identity; without `reconnect` its clients stay away until their page is loaded again.
 *  A token stays valid until it expires. Fails and tries again as broadcast does. */
export async function disconnect(identity, options = {}) {
  const { reconnect = true } = options
  await post(() => json({ command: 'disconnect', payload: { identifier: json(identity), reconnect } }), options)
}

/** The answer to a cable that asks whether a client may listen to a stream (--subscribe_url): status and JSON. `allow` gets
 *  identity, stream and headers, and returns true, false, or the Unix time until which it may. An error of `allow` is
 *  your answer 500: the cable asks again. Rejects without a key or a secret. */
export async function answerSubscribe(authorization, body, allow, { key, secret, now = Date.now() / 1000 } = {}) {
  const right = `Bearer ${key || setting('HOTCABLE_SUBSCRIBE_KEY') || derived('subscribe-cable', secret)}`
  const [given, expected] = [authorization ?? '', right].map(text => createHash('sha256').update(text).digest())
  if (!timingSafeEqual(given, expected)) return [401, '{"error":"unauthorized"}']
  const { identity, stream, headers = {} } = objectIn(body) ?? {}
  if (typeof identity !== 'string' || typeof stream !== 'string') return [422, '{"error":"malformed"}']
  const allowed = await allow(objectIn(identity) ?? identity, stream, headers)
  if (typeof allowed === 'boolean') return [200, json({ allowed })]
  if (!Number.isFinite(allowed)) throw new TypeError('allow must return true, false or a time')
  return [200, json(allowed > now ? { allowed: true, until: Math.floor(allowed) } : { allowed: false })]
}

async function post(make, options) {
  const [status, reason] = await (async () => {
    const { timeoutMs = 5000, retries = 0 } = options
    const body = make()
    for (let tried = 0; ; tried++) {
      const [status, reason, after] = await request('POST', '', '', { ...options, timeoutMs, body })
      const isBusy = status === 'nothing' || status >= 500 || (status === 429 && after >= 0)
      if (!isBusy || tried >= retries || after * 1000 > (retries - tried) * timeoutMs) return [status, reason]
      await pause(Math.max(Math.min(100 * 3 ** tried, 2000), after * 1000))
    }
  })().catch(cause => {
    throw new BroadcastFailed(`the cable was not asked: ${cause}`, { cause }) // for example, a name that is not UTF-8
  })
  if (status !== 201) throw new BroadcastFailed(`the cable answered ${status}: ${reason.slice(0, 200)}`)
}

const CABLE = 'ws://localhost:8080/cable'

function secretOf(secret, ...names) {
  const found = secret ?? setting(...names)
  if (!found) throw new TypeError(`no secret: set ${names.join(' or ')}`) // an empty key protects nothing
  return found
}

const derived = (phrase, secret) =>
  createHmac('sha256', secretOf(secret, 'ANYCABLE_SECRET')).update(phrase).digest('hex')

function objectIn(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && !Array.isArray(value) ? (value ?? undefined) : undefined
  } catch {
    return undefined
  }
}

function setting(...names) {
  return names.map(name => process.env[name]).find(Boolean)
}

function json(value) {
  const json = JSON.stringify(value)
  if (/(?<!\\)(\\\\)*\\ud/.test(json)) throw new TypeError('text that is not UTF-8') // a lone surrogate is escaped so
  return json
}

const text = value => String(value).toWellFormed() // U+FFFD for a lone surrogate

function tag(name, attributes) {
  const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  const pairs = Object.entries(attributes).filter(([, value]) => value != null)
  const escaped = value => text(value).replace(/[&<>"]/g, character => escapes[character])
  return `<${name}${pairs.map(([key, value]) => ` ${key}="${escaped(value)}"`).join('')}>`
}

/** Not fetch: it may use the environment's proxy, or a kept socket to a cable that has restarted since. */
async function request(method, path, query, call) {
  const usual = setting('ANYCABLE_SECRET') ? broadcastKey() : 'none'
  const key = call.key || setting('ANYCABLE_BROADCAST_KEY') || usual
  if (/[\r\n]/.test(key)) return ['nothing', 'the broadcast key has a line break in it', -1]
  const port = key === 'none' ? 8090 : 8080
  const given = call.url || setting('ANYCABLE_HTTP_BROADCAST_URL')
  const url = given || `http://localhost:${port}/_broadcast`
  if (!/^https?:\/\//i.test(url)) return ['nothing', 'the URL must begin with http:// or https://', -1]
  const isGuess = !given && port === 8090 && !setting('ANYCABLE_SECRET')
  const note = isGuess ? ' (ANYCABLE_SECRET is missing; with it the port is 8080)' : ''
  const headers = { 'Content-Type': 'application/json' }
  if (key !== 'none') headers.Authorization = Buffer.from(`Bearer ${key}`).toString('latin1') // UTF-8 on the wire
  const signal = AbortSignal.timeout(call.timeoutMs)
  let status = 'nothing'
  let after = -1
  const body = await new Promise((resolve, reject) => {
    const at = new URL(url)
    if (path) at.pathname = at.pathname.replace(/\/+$/, '') + path
    if (query) at.search = [at.search.slice(1), query].filter(Boolean).join('&')
    const sent = (at.protocol === 'https:' ? https : http).request(at, { method, headers, signal, agent: false })
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

async function read(response) {
  let text = ''
  for await (const part of response.setEncoding('utf8')) {
    text += part
    if (text.length > 65_536) break // a reason is shorter
  }
  return text
}

/** A cable may answer and hang up before it has read a long body: node:http would drop that answer. */
function ignoreFailedWrites(socket) {
  const { _write } = socket
  socket._write = (chunk, encoding, written) => _write.call(socket, chunk, encoding, () => written())
  Object.assign(socket, { _writev: undefined })
}
