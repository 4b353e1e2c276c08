/**
 * Events that tell a page whether it missed messages. A page asks for them by `data-events` on its stream's tag: both stock
 * clients copy that into the identifier as `events`. We send them as a Turbo Stream action:
 *
 *   <turbo-stream action="hotcable" event="catching-up" messages="12"></turbo-stream>
 *
 * Turbo reports an unknown action as an error, so we send them to no other page. client/hotcable-status.js reads them. Pure.
 */
import { GAPS, type GapCode } from '../errors.ts'
import { type RefreshFate, transmission } from './action-cable.ts'

/** The next `messages` messages are those that the page missed; live ones follow. */
export const catchingUp = (identifier: string, messages: number): Buffer =>
  sourceEvent(identifier, 'catching-up', { messages })

/** The page has all messages that it missed. */
export const caughtUp = (identifier: string, messages: number): Buffer =>
  sourceEvent(identifier, 'caught-up', { messages })

/** The page may have missed messages that we cannot send. `explain` (--dev) adds the reason. */
export const gap = (identifier: string, refresh: RefreshFate, code: GapCode, explain: boolean): Buffer =>
  sourceEvent(identifier, 'gap', { refresh, ...(explain ? { code, fix: GAPS[code] } : {}) })

function sourceEvent(identifier: string, event: string, details: Record<string, string | number>): Buffer {
  // The values are words of ours, without characters that HTML would interpret.
  const attributes = Object.entries(details).map(([name, value]) => ` ${name}="${value}"`)
  const html = `<turbo-stream action="hotcable" event="${event}"${attributes.join('')}></turbo-stream>`
  return transmission(identifier, JSON.stringify(html))
}
