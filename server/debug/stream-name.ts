/**
 * Decodes a signed stream name: the stream, its expiry and purpose, the key that signed it, and the channels that take it. Pure.
 */
import { type StreamKeys, streamVerifier } from '../auth/streams.ts'
import { SubscriptionRejected } from '../errors.ts'
import type { Context } from './context.ts'
import { addFault, type Finding, finding } from './finding.ts'
import { namedKeys, signerOf, strangeSignerOf } from './keys.ts'
import { shorten, show } from './shorten.ts'
import { timeAt } from './time.ts'

/** A field of the settings, and the channel whose names its keys sign. */
export const CHANNELS = [
  ['turbo', 'Turbo::StreamsChannel'],
  ['streams', '$pubsub'],
  ['cableReady', 'CableReady::Stream'],
] as const

/** `channel`: judge the name for this channel alone; without it, for all channels. */
export function decodeStreamName(signed: string, context: Context, channel?: string): Finding {
  const { settings, now } = context
  const keys = namedKeys(settings)
  const found = finding('signed stream name')
  const [payload = '', digest = ''] = signed.split('--')
  const { stream, exp, pur } = open(payload)
  if (stream !== undefined) found.facts.push(['stream', shorten(stream)])
  if (typeof exp === 'string') found.facts.push(['expires', timeAt(Date.parse(exp) / 1000, now)])
  if (typeof pur === 'string') found.facts.push(['purpose', shorten(pur)])

  const asked = CHANNELS.filter(([, name]) => channel === undefined || name === channel)
  const signature = Buffer.from(digest, 'hex')
  const signer = signerOf(
    asked.flatMap(([field]) => keys[field]),
    'sha256',
    payload,
    signature,
  )
  if (signer !== undefined) found.facts.push(['signed with', signer])
  const outcomes = asked
    .filter(([field]) => keys[field].length > 0)
    .map(([field, name]) => [name, judge(signed, keys[field], settings, now)] as const)
  const takers = outcomes.filter(([, refusal]) => refusal === undefined)
  const [refusal] = outcomes
  if (takers.length > 0) found.facts.push(['good for', takers.map(([name]) => name).join(', ')])
  else if (refusal === undefined) addFault(found, 'keys_unknown')
  else addFault(found, refusal[1]!, detailOf(refusal[1]!))
  return found

  function detailOf(code: string): string | undefined {
    if (code !== 'stream_signature_mismatch') return undefined
    const strange = strangeSignerOf(settings, 'sha256', payload, signature)
    if (strange !== undefined) return `it is signed with ${strange}`
    if (/^[0-9a-f]{40}$/.test(digest)) return 'its digest is SHA-1: sign with SHA-256'
    if (/^[0-9A-F]{64}$/i.test(digest)) return 'no key that we know has signed it'
    return `its digest has ${digest.length} characters in place of 64 hexadecimal digits: was it cut off?`
  }
}

function judge(
  signed: string,
  keys: { readonly secret: StreamKeys['secrets'][number] }[],
  { streamsPurpose: purpose, asked }: Context['settings'],
  now: number,
) {
  const secrets = keys.map(({ secret }) => secret)
  try {
    streamVerifier({ secrets, purpose, askedPurpose: asked?.purpose ?? '' })(signed, now)
    return undefined
  } catch (error) {
    if (error instanceof SubscriptionRejected) return error.code
    throw error
  }
}

interface Content {
  readonly stream?: string | undefined
  readonly exp?: unknown
  readonly pur?: unknown
}

/** Reads the content, which need not be valid, or signed. */
function open(payload: string): Content {
  const value = parsePayload(payload)
  if (typeof value === 'string') return { stream: value }
  const inner = (value as { _rails?: Record<string, unknown> } | null | undefined)?._rails
  if (typeof inner !== 'object' || inner === null) return value === undefined ? {} : { stream: show(value) }
  const { data, message, exp, pur } = inner
  const name = data ?? (typeof message === 'string' ? parsePayload(message) : undefined)
  return { stream: typeof name === 'string' ? name : undefined, exp, pur }
}

function parsePayload(payload: string): unknown {
  const text = Buffer.from(payload, 'base64').toString()
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
