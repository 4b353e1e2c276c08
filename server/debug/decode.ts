/**
 * Decodes a pasted text: a token, a signed stream name, an identifier, a command, a position, a URL, the HTML of a page, a body
 * for /_broadcast, a code or a line of the log. Sends nothing, and returns no secret. Pure.
 */
import { RequestRefused } from '../errors.ts'
import { isTooDeep } from '../protocol/json.ts'
import { parsePosition } from '../protocol/position.ts'
import { type BackendRequest, parseRequest } from '../protocol/publication.ts'
import type { Context } from './context.ts'
import { FAULTS, isFaultCode } from './faults.ts'
import { addFault, type Finding, finding, MOST_PARTS } from './finding.ts'
import { addPosition, decodeIdentifier } from './identifier.ts'
import { namedKeys } from './keys.ts'
import { masked, secretsOf } from './mask.ts'
import { decodeMessage } from './message.ts'
import { decodePage, textOf } from './page.ts'
import { shorten, show } from './shorten.ts'
import { decodeStreamName } from './stream-name.ts'
import { decodeToken } from './token.ts'
import { decodeUrl } from './url.ts'

/** UTF-16 units. */
export const MOST_PASTED = 1 << 20

/** Returns what was found, most important first; empty for a text that holds nothing of ours. */
export function decode(pasted: string, context: Context): Finding[] {
  const text = pasted.slice(0, MOST_PASTED)
  const secrets = secretsOf(context.settings)
  const found = decodeText(text, context).map(each => masked(each, secrets))
  const held = secrets.find(({ secret }) => text.includes(secret))
  return held === undefined || found[0]?.kind === 'secret' ? found : [secretPasted(held.name), ...found]
}

function decodeText(pasted: string, context: Context): Finding[] {
  const text = pasted
    .trim()
    .replace(/^(["'`])((?:(?!\1).)*)\1$/, '$2')
    .trim()
  if (text === '') return []
  return decodeWhole(text, context) ?? decodeWithin(text, context)
}

function decodeWhole(text: string, context: Context): Finding[] | undefined {
  const secret = decodeSecret(text.replace(/^(?:Authorization: *)?Bearer +/i, ''), context)
  if (secret !== undefined) return [secret]
  if (isFaultCode(text)) return [explain(text)]
  if (/^[{["]/.test(text)) {
    const found = decodeJson(text, context)
    if (found !== undefined) return [found]
  }
  if (/<[a-z!]/i.test(text)) return [decodePage(text, context)]
  if (/^(?:wss?|https?):\/\/\S+$/i.test(text) || /^\/\S*\?\S+$/.test(text)) return [decodeUrl(text, context)]
  if (parsePosition(text) !== undefined) {
    const found = finding('position')
    addPosition(found, text, context)
    return [found]
  }
  if (NAME.test(text)) return [decodeStreamName(unescaped(text), context)]
  const token = text.replace(/^(?:Bearer +|anycable-token\.|\??jid=)/i, '')
  if (/^[\w+/=-]+\.[\w+/=-]+\.[\w+/=-]*$/.test(token)) return [decodeToken(token, context)]
  return undefined
}

/** Base64 or its URL form, two dashes, and a digest that may be cut off. */
const NAME = /^(?:[\w+/=-]|%[0-9A-F]{2})+--[0-9A-Za-z]{8,}$/i

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Looks for parts in another text: a line of a log, a command line, a header. */
function decodeWithin(text: string, context: Context): Finding[] {
  const found = new Map<string, Finding>()
  const look = (pattern: RegExp, decoded: (part: string) => Finding) => {
    for (const [part] of text.matchAll(pattern)) if (found.size < 20) found.set(part, decoded(part))
  }
  look(/(?<![\w.-])eyJ[\w-]+\.[\w-]+\.[\w-]*(?!\.?[\w-])/g, token => decodeToken(token, context))
  look(/(?<![\w+/=-])[\w+/-]{4,}={0,2}--[0-9a-f]{64}(?![\w-])/g, name => decodeStreamName(name, context))
  for (const [word] of text.matchAll(/\b[a-z]+(?:_[a-z]+)+\b/g)) if (isFaultCode(word)) found.set(word, explain(word))
  return [...found.values()]
}

/** What a code means. It is no fault of the pasted text. */
function explain(code: keyof typeof FAULTS): Finding {
  return finding('code', [
    ['code', code],
    ['fix', FAULTS[code]],
  ])
}

function decodeSecret(text: string, { settings }: Context): Finding | undefined {
  const key = Object.values(namedKeys(settings))
    .flat()
    .find(({ secret }) => secret !== '' && secret === text)
  return key && secretPasted(key.name)
}

function secretPasted(name: string): Finding {
  const found = finding('secret', [['name', name]])
  addFault(found, 'secret_pasted')
  return found
}

function decodeJson(text: string, context: Context): Finding | undefined {
  if (isTooDeep(text)) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value === 'string') return decodeText(value, context)[0]
  if (Array.isArray(value)) return decodeBody(text)
  const { command, identifier, channel, stream, type, payload } = value as Record<string, unknown>
  if (payload !== undefined || stream !== undefined) return decodeBody(text)
  if (typeof command === 'string' || typeof type === 'string' || typeof identifier === 'string')
    return decodeFrame(value as Frame, context)
  return channel === undefined ? undefined : decodeIdentifier(text, context)
}

type Frame = Partial<Record<'command' | 'type' | 'identifier' | 'reason' | 'code' | 'message', unknown>>

/** A command of a client, or a frame of the cable. */
function decodeFrame(frame: Frame, context: Context): Finding {
  const found = finding(frame.command === undefined ? 'frame' : 'command')
  for (const name of ['command', 'type', 'reason', 'code'] as const)
    if (typeof frame[name] === 'string') found.facts.push([name, shorten(frame[name])])
  const code = show(frame.code ?? frame.reason)
  if (isFaultCode(code)) addFault(found, code)
  if (typeof frame.identifier === 'string') found.parts.push(decodeIdentifier(frame.identifier, context))
  if (typeof frame.message === 'string') found.parts.push(...decodeMessage(frame.message))
  return found
}

/** The body of a POST to /_broadcast. */
function decodeBody(text: string): Finding {
  const found = finding('body for /_broadcast')
  let request: BackendRequest
  try {
    request = parseRequest(text)
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error
    addFault(found, error.code, error.message)
    return found
  }
  if ('disconnect' in request) found.facts.push(['disconnects', shorten(request.disconnect.identity)])
  else
    for (const { stream, message, transient, exclude } of request.publications.slice(0, MOST_PARTS)) {
      const part = finding('publication', [['stream', shorten(stream)]])
      if (transient) part.facts.push(['history', 'not kept: transient'])
      if (exclude) part.facts.push(['excludes', shorten(exclude)])
      part.parts.push(...decodeMessage(textOf(message)))
      found.parts.push(part)
    }
  return found
}
