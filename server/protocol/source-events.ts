/**
 * What only the cable knows, for a page that asked for it: a `data-events` on its stream's tag, which both stock clients
 * copy into the identifier as `events`. It travels as a Turbo Stream action of ours:
 *
 *   <turbo-stream action="hotcable" event="catching-up" messages="12"></turbo-stream>
 *
 * Turbo takes an unknown action for an error, so nobody else is sent these. web/client/hotcable-status.js reads them. Pure.
 */
import { GAPS, type GapCode } from '../errors.ts'
import { type RefreshFate, transmission } from './action-cable.ts'

/** So many messages that were missed come now; then live ones. */
export const catchingUp = (identifier: string, messages: number): Buffer =>
  sourceEvent(identifier, 'catching-up', { messages })

/** All that was missed was sent. */
export const caughtUp = (identifier: string, messages: number): Buffer =>
  sourceEvent(identifier, 'caught-up', { messages })

/** Something may be missing. With `explain` (--dev) also why. */
export const gap = (identifier: string, refresh: RefreshFate, code: GapCode, explain: boolean): Buffer =>
  sourceEvent(identifier, 'gap', { refresh, ...(explain ? { code, fix: GAPS[code] } : {}) })

function sourceEvent(identifier: string, event: string, details: Record<string, string | number>): Buffer {
  // The values are our own words, and hold nothing that HTML would read as more than text.
  const attributes = Object.entries(details).map(([name, value]) => ` ${name}="${value}"`)
  const html = `<turbo-stream action="hotcable" event="${event}"${attributes.join('')}></turbo-stream>`
  return transmission(identifier, JSON.stringify(html))
}
