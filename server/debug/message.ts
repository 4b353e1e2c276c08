/**
 * Reads the <turbo-stream> elements of a message, and what they need on the page. Pure.
 */

import { type Tag, tagsOf } from '../protocol/tags.ts'
import { addFault, type Finding, finding, MOST_PARTS } from './finding.ts'
import { shorten } from './shorten.ts'

const ACTIONS = new Set('append prepend replace update remove before after refresh morph'.split(' '))
const WITHOUT_TEMPLATE = new Set(['remove', 'refresh'])

export function decodeMessage(html: string): Finding[] {
  const tags = tagsOf(html)
  const streams = tags.flatMap(({ name }, at) => (name === 'turbo-stream' ? [at] : []))
  return streams.slice(0, MOST_PARTS).map(at => decodeStream(tags[at]!, tags[at + 1]))
}

function decodeStream({ attributes }: Tag, next: Tag | undefined): Finding {
  const found = finding('message')
  const action = attributes.get('action') ?? ''
  const target = attributes.get('target') ?? attributes.get('targets')
  found.facts.push(['action', shorten(action)])
  if (target) found.facts.push([attributes.has('target') ? 'target' : 'targets', shorten(target)])
  if (!ACTIONS.has(action)) addFault(found, 'message_action_unknown')
  else if (!target && action !== 'refresh') addFault(found, 'message_without_target')
  else if (!WITHOUT_TEMPLATE.has(action) && next?.name !== 'template') addFault(found, 'message_without_template')
  return found
}

/** Returns the ids that a message changes, without ids that the same message adds before. */
export function targetsOf(html: string): string[] {
  const ids = new Set<string>()
  const targets: string[] = []
  for (const { name, attributes } of tagsOf(html)) {
    const [target, id] = [attributes.get('target'), attributes.get('id')]
    if (name === 'turbo-stream' && target && attributes.get('action') !== 'refresh' && !ids.has(target))
      targets.push(target)
    else if (id) ids.add(id)
  }
  return [...new Set(targets)]
}
