/**
 * Decodes the HTML of a page: meta tags, scripts, stream sources, and whether the messages find their targets. Pure.
 */

import { parsePosition } from '../protocol/position.ts'
import { type Tag, tagsOf } from '../protocol/tags.ts'
import type { Context } from './context.ts'
import { addFault, type Finding, finding, MOST_PARTS } from './finding.ts'
import { addPosition } from './identifier.ts'
import { decodeMessage, targetsOf } from './message.ts'
import { shorten } from './shorten.ts'
import { decodeStreamName } from './stream-name.ts'
import { decodeToken } from './token.ts'
import { decodeUrl } from './url.ts'

const METAS = ['action-cable-url', 'cable-url', 'cable-token']

/** `html` may be a part of a page: then no tag is reported as missing. */
export function decodePage(html: string, context: Context): Finding {
  const tags = tagsOf(html)
  const isWhole = tags.some(({ name }) => name === 'html' || name === 'body' || name === 'head')
  const found = finding(isWhole ? 'page' : 'HTML')
  const sources = tags.filter(({ name }) => name.endsWith('-stream-source')).slice(0, MOST_PARTS)
  // Turbo subscribes to server-sent events without meta tags, and without a script of ours.
  const isOfEvents = sources.length > 0 && sources.every(({ name }) => name === 'turbo-stream-source')
  addMetas(found, tags, isWhole && !isOfEvents, context)
  addScripts(found, tags, isWhole && !isOfEvents)
  const decoded = sources.map(source => decodeSource(source, context))
  found.parts.push(...decoded)
  const names = sources.flatMap(source => nameOf(source) ?? [])
  if (new Set(names).size < names.length) addFault(found, 'page_stream_twice')
  if (isWhole && sources.length === 0) addFault(found, 'page_streams_missing')
  if (ESCAPED.test(html)) addFault(found, 'page_escaped')
  found.parts.push(...decodeMessage(html))
  const sent = sources.flatMap((source, at) => sentSince(source, decoded[at]!, context))
  if (isWhole) addTargets(found, tags, [...targetsOf(html), ...sent.flatMap(message => targetsOf(textOf(message)))])
  return found
}

/** A tag of a helper, as a template that escapes prints it. */
const ESCAPED =
  /&lt;(?:turbo-(?:cable-)?stream(?:-source)?|meta name=(?:&quot;|&#34;|&#39;|")(?:action-)?cable|script type=(?:&quot;|&#34;)module)/

function addMetas(found: Finding, tags: readonly Tag[], areNeeded: boolean, context: Context): void {
  const metas = new Map<string, string>()
  for (const { name, attributes } of tags)
    if (name === 'meta') metas.set(attributes.get('name') ?? '', attributes.get('content') ?? '')
  const missing = METAS.filter(name => !metas.get(name))
  if (areNeeded && missing.length === METAS.length) addFault(found, 'page_metas_missing')
  else if (areNeeded) for (const name of missing) addFault(found, 'page_meta_missing', name)
  const tokens = new Set<string>()
  for (const name of METAS.slice(0, 2)) {
    const url = metas.get(name)
    if (!url) continue
    const part = decodeUrl(url, context, { isOfPage: true })
    const token = URL.parse(url, 'ws://relative.invalid')?.searchParams.get(context.settings.jwtParam)
    if (token) tokens.add(token)
    // (Several meta tags repeat one token: it is decoded once, below.)
    found.parts.push({ ...part, kind: `URL in ${name}`, parts: [] })
  }
  const token = metas.get('cable-token')
  if (token) tokens.add(token)
  if (tokens.size > 1) addFault(found, 'page_tokens_differ')
  for (const token of tokens) found.parts.push(decodeToken(token, context))
}

function addScripts(found: Finding, tags: readonly Tag[], isNeeded: boolean): void {
  const scripts = tags.filter(({ name, attributes }) => name === 'script' && attributes.has('src')).slice(0, MOST_PARTS)
  const srcOf = ({ attributes }: Tag) => shorten(attributes.get('src')!)
  const sources = scripts.map(srcOf)
  const isNamed = (pattern: RegExp) => sources.some(src => pattern.test(src))
  for (const script of scripts) {
    const { attributes } = script
    const src = srcOf(script)
    if (!/hotcable|turbo|cable/i.test(src)) continue
    found.facts.push(['script', src])
    if (OURS.test(src) && attributes.get('type') !== 'module') addFault(found, 'page_script_not_module', src)
  }
  const hasMap = tags.some(({ name, attributes }) => name === 'script' && attributes.get('type') === 'importmap')
  const isBundled = sources.some(src => !OURS.test(src) && !TURBO.test(src)) || hasMap
  if (isNamed(WITH_TURBO) && isNamed(TURBO)) addFault(found, 'page_turbo_twice')
  if (isNamed(STREAMS) && !isNamed(TURBO) && !isBundled) addFault(found, 'page_turbo_missing')
  if (isNeeded && !isNamed(OURS)) addFault(found, isBundled ? 'page_script_elsewhere' : 'page_script_missing')
}

const WITH_TURBO = /(?:^|\/)hotcable\.js(?:$|[?#])/
const STREAMS = /(?:^|\/)hotcable-streams\.js(?:$|[?#])/
const OURS = /(?:^|\/)hotcable(?:-streams)?\.js(?:$|[?#])/
const TURBO = /(?:^|\/)(?:@hotwired\/turbo|turbo(?:\.es20\d\d\S*)?(?:\.min)?\.js)/

const nameOf = ({ attributes }: Tag): string | undefined =>
  attributes.get('signed-stream-name') ?? attributes.get('src')

function decodeSource({ name, attributes }: Tag, context: Context): Finding {
  if (name === 'turbo-stream-source') {
    const found = decodeUrl(attributes.get('src') ?? '', context, { isOfPage: true })
    return { ...found, kind: 'stream source (server-sent events)' }
  }
  const found = finding('stream source')
  for (const needed of ['channel', 'signed-stream-name'])
    if (!attributes.get(needed)) addFault(found, 'source_attribute_missing', needed)
  if (!attributes.get('id')) addFault(found, 'source_id_missing')
  addPosition(found, attributes.get('data-position'), context)
  const signed = attributes.get('signed-stream-name')
  const channel = attributes.get('channel') ?? 'Turbo::StreamsChannel'
  found.facts.push(['channel', shorten(channel)])
  if (signed) found.parts.push(decodeStreamName(signed, context, channel))
  return found
}

/** The last messages of a source's streams that came after the page was made: it may have older ones already, or what followed them. */
function sentSince({ attributes }: Tag, decoded: Finding, { messages }: Context): readonly string[] {
  const url = URL.parse(attributes.get('src') ?? '', 'http://relative.invalid')
  const position = parsePosition(attributes.get('data-position') ?? url?.searchParams.get('position') ?? undefined)
  const after = typeof position === 'object' ? position : undefined
  return streamsOf(decoded).flatMap(stream => messages?.(stream, after) ?? [])
}

const streamsOf = ({ facts, parts }: Finding): string[] => [
  ...facts.flatMap(([name, value]) => (name === 'stream' ? [value] : [])),
  ...parts.flatMap(streamsOf),
]

/** Looks on the page for the targets of messages. */
function addTargets(found: Finding, tags: readonly Tag[], targets: readonly string[]): void {
  const ids = new Set(tags.map(({ attributes }) => attributes.get('id')))
  const missing = [...new Set(targets)].filter(target => !ids.has(target))
  for (const target of missing.slice(0, MOST_PARTS)) addFault(found, 'message_target_missing', shorten(target, 80))
}

/** The text of a message, which is JSON. */
export function textOf(message: string): string {
  try {
    const value: unknown = JSON.parse(message)
    return typeof value === 'string' ? value : message
  } catch {
    return message
  }
}
