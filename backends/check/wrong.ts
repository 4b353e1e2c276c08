/**
 * A backend that is wrong on purpose: `node wrong.ts MISTAKE`. It is written like a first try, without the helper and without
 * the recipes that explain it; each mistake is a common one.
 */
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto'

const mistake = process.argv[2] ?? ''
const is = (...names: string[]): boolean => names.some(name => mistake.split('+').includes(name))

function json(value: unknown): string {
  const text = JSON.stringify(value)
  if (is('json_ascii')) return text.replace(/[\u0080-\uffff]/g, unicode)
  if (is('json_slashes')) return text.split('/').join('\\/')
  if (is('json_html'))
    return text
      .replace(/</g, '\\u003c')
      .replace(/>/g, '\\u003e')
      .replace(/&/g, '\\u0026')
      .replace(/[\u2028\u2029]/g, unicode)
  if (is('json_newline')) return `${text}\n`
  return text
}

const unicode = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

function keyOf(secret: string): Buffer {
  if (is('key_latin1')) return Buffer.from(secret, 'latin1')
  if (is('key_hex') && /^[0-9a-f]+$/.test(secret) && secret.length % 2 === 0) return Buffer.from(secret, 'hex')
  if (is('key_trimmed')) return Buffer.from(secret.trim())
  if (is('key_newline')) return Buffer.from(`${secret}\n`)
  if (is('key_reversed')) return Buffer.from([...secret].reverse().join(''))
  return Buffer.from(secret)
}

function digest(secret: string, message: string | Buffer): Buffer {
  if (is('swapped')) return createHmac('sha256', message).update(keyOf(secret)).digest()
  if (is('plain_hash')) return createHash('sha256').update(keyOf(secret)).update(message).digest()
  const hash = is('sha1') ? 'sha1' : is('sha512') ? 'sha512' : 'sha256'
  return createHmac(hash, keyOf(secret)).update(message).digest()
}

function hex(bytes: Buffer): string {
  if (is('upper_hex')) return bytes.toString('hex').toUpperCase()
  if (is('base64_digest')) return bytes.toString('base64')
  return bytes.toString('hex')
}

interface Ask {
  do: string
  stream: string
  secret: string
  expires_in?: number
  now: number
  identity: object
  ttl: number
  position: string
  action: string
  target: string | null
  html: string
  attributes: Record<string, string | null>
  url: string
  key: string
  streams: string[]
  retries: number
  nonce?: string
  drive?: boolean
  exclude?: string
  transient?: boolean
  latest?: string
  accept: string
  publications: string[]
  reconnect: boolean
  authorization: string
  body: string
  allow: boolean | number
}

function signStream({ stream, secret, expires_in: expires, now }: Ask): string {
  let text = json(stream)
  if (expires !== undefined && !is('no_expiry')) {
    const exp = new Date((now + expires) * 1000).toISOString()
    text = json({ _rails: { data: stream, exp: is('no_millis') ? exp.replace('.000', '') : exp } })
  } else if (is('raw_name')) text = stream
  let encoded = Buffer.from(text).toString('base64')
  if (is('no_padding')) encoded = encoded.replace(/=+$/, '')
  if (is('url_safe')) encoded = encoded.replace(/\+/g, '-').replace(/\//g, '_')
  if (is('line_breaks')) encoded = encoded.replace(/.{1,60}/g, '$&\n')
  const signed = is('signed_json') ? text : is('signed_name') ? stream : encoded
  return encoded + (is('one_dash') ? '-' : '--') + hex(digest(secret, signed))
}

function issueToken({ identity, secret, ttl, now }: Ask): string {
  const base64 = (bytes: Buffer) => {
    if (is('token_padding')) return bytes.toString('base64').replace(/\+/g, '-').replace(/\//g, '_')
    if (is('token_alphabet')) return bytes.toString('base64').replace(/=/g, '')
    return bytes.toString('base64url')
  }
  const claims: Record<string, unknown> = { ext: is('ext_object') ? identity : json(identity) }
  const exp = (is('exp_clock') ? Math.floor(Date.now() / 1000) : now) + ttl
  if (!is('exp_missing')) claims.exp = is('exp_ms') ? exp * 1000 : is('exp_string') ? `${exp}` : exp
  if (is('iat')) claims.iat = now
  const header = is('typ_first')
    ? { typ: 'JWT', alg: 'HS256' }
    : { alg: is('alg_hs512') ? 'HS512' : 'HS256', typ: 'JWT' }
  const unsigned = `${base64(Buffer.from(JSON.stringify(header)))}.${base64(Buffer.from(json(claims)))}`
  const signature = digest(secret, unsigned)
  return `${unsigned}.${is('hex_signature') ? base64(Buffer.from(signature.toString('hex'))) : base64(signature)}`
}

function escaped(text: string): string {
  if (is('not_escaped')) return text
  const once = text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
  return is('escaped_twice') ? once.replace(/&/g, '&amp;') : is('apostrophes') ? once.replace(/'/g, '&#39;') : once
}

function streamFrom(ask: Ask): string {
  const signed = signStream(ask)
  const digits = (is('id_digits') ? signed : signed.split('--').pop()!).slice(0, 8)
  const id = `cable-${digits}-${is('id_slash') ? ask.position : ask.position.replace(/\//g, '-')}`
  const position = is('no_position') ? '' : ` data-position="${escaped(ask.position)}"`
  const tail = is('self_closing') ? '/>' : '></turbo-cable-stream-source>'
  return `<turbo-cable-stream-source id="${escaped(id)}"${position} channel="Turbo::StreamsChannel" signed-stream-name="${signed}"${tail}`
}

function sourceTag(ask: Ask): string {
  const streams = is('source_first') ? ask.streams.slice(0, 1) : ask.streams
  const names = streams.map(stream => signStream({ ...ask, stream }))
  const query = new URLSearchParams([
    ...names.map(name => ['turbo_signed_stream_name', name] as [string, string]),
    ...Object.entries({ position: ask.position, jid: issueToken(ask) }),
  ])
  const src = `${ask.url}${ask.url.includes('?') && !is('source_mark') ? '&' : '?'}${is('source_raw') ? decodeURIComponent(`${query}`) : query}`
  const id = `source-${names[0]!.split('--').pop()!.slice(0, 8)}-${ask.position.replace(/\//g, '-')}`
  return `<turbo-stream-source id="${escaped(id)}" src="${escaped(src)}"></turbo-stream-source>`
}

function wantsTurboStream({ accept }: Ask): string {
  const wanted = 'text/vnd.turbo-stream.html'
  const types = accept.split(',').map(type => type.split(';')[0]!.trim())
  const has = types.some(type => {
    const given = is('wants_case') ? type : type.toLowerCase()
    return given === wanted || (is('wants_contains') && given.includes(wanted)) || (is('wants_any') && given === '*/*')
  })
  if (!has) return ''
  return is('wants_no_charset') ? wanted : `${wanted}; charset=utf-8`
}

function scriptTag({ url, nonce, drive }: Ask): string {
  const [path = '', query] = url.split('#')[0]!.split('?')
  const at = is('script_ws') ? path : path.replace(/^ws(?=s?:)/, 'http')
  const cable = `${is('script_beside') ? at.replace(/\/[^/]*$/, '') : at.replace(/\/+$/, '')}/hotcable.js`
  const script = !path.endsWith('.js') ? cable : query === undefined ? path : `${path}?${query}`
  const src = drive === false ? `${script}${script.includes('?') ? '&' : '?'}drive=off` : script
  return `<script type="module" src="${escaped(src)}"${nonce ? ` nonce="${escaped(nonce)}"` : ''}></script>`
}

function turboStream({ action, target, html, attributes }: Ask): string {
  const pairs = Object.entries(attributes).filter(([, value]) => value !== null)
  const own: [string, string | null][] = [['action', action]]
  if (action !== 'refresh' && target !== null) own.push([is('targets') ? 'targets' : 'target', target])
  const all = is('attributes_last') ? [...own, ...pairs] : [...pairs, ...own]
  const open = `<turbo-stream${all.map(([name, value]) => ` ${name}="${escaped(value!)}"`).join('')}>`
  const content = is('content_escaped') ? escaped(html) : html
  const inside = is('no_template') ? content : `<template>${content}</template>`
  const bare = (action === 'remove' && !is('remove_template')) || action === 'refresh'
  return `${open}${bare ? '' : inside}</turbo-stream>`
}

function broadcastKey({ secret }: Ask): string {
  if (is('key_itself')) return secret
  return hex(digest(secret, is('key_message') ? 'broadcast_cable' : 'broadcast-cable'))
}

async function position({ url, key, streams }: Ask): Promise<string> {
  const { pathname, search, origin } = new URL(url)
  const names = streams.map(stream => `stream=${encodeURIComponent(stream)}`).join('&')
  const few = names.length > 4000 ? '' : names
  if (is('position_last')) return found(`${url.replace(/\/$/, '')}/position${few && `?${few}`}`, key)
  const query = [search.slice(1), few].filter(Boolean).join('&')
  return found(`${origin}${pathname.replace(/\/+$/, '')}/position${query && `?${query}`}`, key)
}

async function found(at: string, key: string): Promise<string> {
  try {
    const answer = await fetch(at, { headers: { authorization: `Bearer ${key}` }, redirect: 'manual' })
    const { position: found } = (await answer.json()) as { position?: unknown }
    return answer.status === 200 && typeof found === 'string' && /^[0-9]+\/[\w-]+$/.test(found) ? found : '-'
  } catch {
    return '-'
  }
}

const random = () => (is('id_uuid') ? randomUUID() : randomBytes(16).toString('base64url'))

function publication({ stream, html, exclude, transient, latest }: Ask, id = random()): string {
  const more = {
    ...(exclude && !is('no_exclude') && { [is('exclude_name') ? 'exclude' : 'exclude_socket']: exclude }),
    ...(is('exclude_null') && { exclude_socket: exclude ?? null }),
    ...(transient && !is('no_transient') && { transient }),
    ...(is('transient_false') && { transient: transient ?? false }),
    ...(latest && !is('no_latest') && { [is('latest_name') ? 'latest' : 'key']: latest }),
  }
  const meta = { ...(is('no_id') ? {} : { id }), ...more }
  return json({ stream, data: json(html), ...(Object.keys(meta).length > 0 && { meta }) })
}

async function broadcast(ask: Ask): Promise<string> {
  const once = is('id_constant') ? 'V1StGXR8_Z5jdHi6B-myT0' : random()
  return await post(ask, tried => publication(ask, tried > 0 && is('id_per_try') ? random() : once))
}

async function publish(ask: Ask): Promise<string> {
  const [first, ...more] = ask.publications
  if (is('list_bare') && more.length === 0) return await post(ask, () => first!)
  return await post(ask, () => (is('list_texts') ? json(ask.publications) : `[${ask.publications.join(',')}]`))
}

async function disconnect(ask: Ask): Promise<string> {
  const identifier = is('identifier_object') ? ask.identity : json(ask.identity)
  const payload = { identifier, ...(!is('no_reconnect') && { reconnect: ask.reconnect }) }
  return await post(ask, () => json({ command: 'disconnect', payload }))
}

function answerSubscribe(ask: Ask): string {
  const key = ask.key || hex(digest(ask.secret, is('ask_message') ? 'broadcast-cable' : 'subscribe-cable'))
  const given = is('ask_bearer') ? ask.authorization.replace(/^Bearer /, '') : ask.authorization
  if (!is('ask_any_key') && given !== `${is('ask_bearer') ? '' : 'Bearer '}${key}`)
    return '401 {"error":"unauthorized"}'
  const asked = objectIn(ask.body)
  const { identity, stream, headers = {} } = asked ?? {}
  if (typeof identity !== 'string' || typeof stream !== 'string')
    return `${is('ask_400') ? 400 : 422} {"error":"malformed"}`
  const isLater = typeof ask.allow === 'number' && (ask.allow > ask.now || is('ask_past'))
  const answer = isLater ? { allowed: true, until: ask.allow } : { allowed: ask.allow === true }
  return `200 ${json(answer)} ${json([is('ask_text') ? identity : (objectIn(identity) ?? identity), stream, headers])}`
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && !Array.isArray(value) ? (value ?? undefined) : undefined
  } catch {
    return undefined
  }
}

async function post({ url, key, retries }: Ask, make: (tried: number) => string): Promise<string> {
  for (let tried = 0; ; tried++) {
    const body = make(tried)
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const status = await fetch(url, { method: 'POST', headers, body }).then(
      answer => answer.status,
      () => 'nothing',
    )
    if (status === 201) return ''
    if (tried >= retries) throw new Error(`the cable answered ${status}`)
  }
}

const ANSWERS: Record<string, (ask: Ask) => unknown> = {
  sign_stream: signStream,
  issue_token: issueToken,
  stream_from: streamFrom,
  source_tag: sourceTag,
  wants_turbo_stream: wantsTurboStream,
  publication,
  publish,
  disconnect,
  script_tag: scriptTag,
  turbo_stream: turboStream,
  broadcast_key: broadcastKey,
  position,
  broadcast,
  answer_subscribe: answerSubscribe,
}

const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)

if (is('greets')) console.log('Ready.')
if (is('byte_order_mark')) process.stdout.write('\ufeff')
if (is('not_utf8')) process.stdout.write(Buffer.from('{"result":"caf\xe9"}\n', 'latin1'))
let [rest, last, asked] = ['', '', 0]
for await (const chunk of process.stdin.setEncoding('utf8')) {
  const lines = `${rest}${chunk}`.split('\n')
  rest = lines.pop()!
  if (is('reads_all')) rest = `${lines.join('\n')}\n${rest}`
  else for (const line of lines) await answer(line)
}
if (is('reads_all')) for (const line of rest.trim().split('\n')) await answer(line)

async function answer(line: string): Promise<void> {
  const ask: Ask = JSON.parse(line)
  // The check asks once more if a second passed meanwhile.
  if (line !== last) asked++
  last = line
  if (is('hangs') || (is('hangs_later') && asked === 3)) return
  if (is('ends') && asked === 3) throw new Error('no such column: streams')
  if (is('debugs')) console.log('signing', ask.stream)
  if (is('bare_result')) return say(ANSWERS[ask.do]!(ask))
  if (is('number_result')) return say({ result: String(ANSWERS[ask.do]!(ask)).length })
  if (is('refuses')) return say({ error: 'not implemented' })
  say({ result: await ANSWERS[ask.do]!(ask) })
  if (is('says_twice')) say({ result: 'and more' })
}
