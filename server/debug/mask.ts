/**
 * Masks what opens something, wherever a pasted text has it: in the name of a stream, a claim, the path of a URL.
 *
 *   a secret of the cable    [secret]
 *   a token                  [token]
 *   a signed stream name     [signed name]
 *
 * Pure.
 */
import type { Finding } from './finding.ts'
import { type Key, type KeySettings, namedKeys } from './keys.ts'

/** A shorter one may be a word of any text. */
const SHORTEST_SECRET = 8

const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]*/g
const NAME = /[\w+/=-]{4,}--[0-9a-f]{40,}/gi

/** The secrets of the cable that are texts, by name. */
export const secretsOf = (settings: KeySettings): (Key & { readonly secret: string })[] =>
  Object.values(namedKeys(settings))
    .flat()
    .filter((key): key is Key & { secret: string } => typeof key.secret === 'string')
    .filter(({ secret }) => secret.length >= SHORTEST_SECRET)

export function masked(found: Finding, secrets: readonly { readonly secret: string }[]): Finding {
  const mask = (text: string) =>
    secrets
      .reduce((rest, { secret }) => rest.replaceAll(secret, '[secret]'), text)
      .replaceAll(TOKEN, '[token]')
      .replaceAll(NAME, '[signed name]')
  return {
    kind: found.kind,
    facts: found.facts.map(([name, value]) => [mask(name), mask(value)]),
    faults: found.faults.map(fault => ({ ...fault, fix: mask(fault.fix) })),
    parts: found.parts.map(part => masked(part, secrets)),
  }
}
