/**
 * The key of a publication (`meta.key`): of the messages of a stream with one key the history keeps only the newest.
 *
 *   {"key":"export/7"} with {"percent":40}                                   ["export/7",null]
 *   {"key":"export/7"} with <turbo-stream action="update" target="bar">…   ["export/7",null,"update","bar",null]
 *
 * A page that gets the newest message alone must end up as if it had got the older ones, too. Of Turbo's actions only
 * `replace` and `update` overwrite all that an older message did, and only with the same target, so we refuse a key with any
 * other action, and a key of Turbo streams stands for its actions and targets as well. What other data mean, their app
 * knows. A client may ignore a `type`, so messages of different types do not stand for each other. Pure.
 */
import { tagsOf } from './tags.ts'

const OVERWRITING: readonly (string | undefined)[] = ['replace', 'update']

/** A Turbo action that overwrites nothing. */
export interface OtherAction {
  readonly action: string | undefined
}

/** Returns the text that two messages share if the newer one makes the older one needless. `message` is JSON text. */
export function historyKey(key: string, message: string, type: string | undefined): string | OtherAction {
  const parts: (string | null)[] = [key, type || null]
  const html: unknown = JSON.parse(message)
  for (const { name, attributes } of typeof html === 'string' ? tagsOf(html) : []) {
    if (name !== 'turbo-stream') continue
    const action = attributes.get('action')
    if (!OVERWRITING.includes(action)) return { action }
    parts.push(action!, attributes.get('target') ?? null, attributes.get('targets') ?? null)
  }
  return JSON.stringify(parts)
}
