/**
 * The texts that the Redis broker stores and sends.
 *
 *   stored            <head>\n<message>                        head: JSON of what is not the message; empty if there is nothing
 *   to a stream       e <offset>\n<head>\n<message>            an entry
 *                     l\n<head>\n<message>                     a live message
 *   to every node     t <offset> <node> <nodes>                a tick: whose it is, and how many nodes there are
 *                     g <offset>\n<JSON>                       a gap: streams, or "all"
 *                     s\n<JSON>                                a signal
 *
 * A message is JSON text, which we never parse. Pure.
 */
import type { Entry, Live, Signal } from '../broker.ts'

/** What arrives on the feed. */
export type Arrival =
  | { readonly kind: 'entry'; readonly offset: number; readonly stored: string }
  | { readonly kind: 'live'; readonly live: Live }
  | { readonly kind: 'tick'; readonly offset: number; readonly node: string; readonly nodes: number }
  | { readonly kind: 'gap'; readonly offset: number; readonly streams: readonly string[] | 'all' }
  | { readonly kind: 'signal'; readonly signal: Signal }

type Head = Pick<Live, 'exclude' | 'type'> & { readonly fromClient?: boolean }

/** The part of an entry that Redis stores, and that a live message sends. */
export function printStored({ exclude, type, fromClient }: Head, message: string): string {
  const isPlain = exclude === undefined && type === undefined && !fromClient
  return `${isPlain ? '' : JSON.stringify({ exclude, type, fromClient })}\n${message}`
}

export function entryOf(stream: string, offset: number, stored: string): Entry {
  const { head, message } = split(stored)
  return { stream, offset, message, exclude: head.exclude, type: head.type }
}

export const printLive = ({ message, ...head }: Live): string => `l\n${printStored(head, message)}`

export const printSignal = (signal: Signal): string => `s\n${JSON.stringify(signal)}`

/** Parses a message of the feed. */
export function arrivalOf(text: string): Arrival {
  const end = text.indexOf('\n')
  const [kind, offset, node = '', nodes] = (end === -1 ? text : text.slice(0, end)).split(' ')
  const rest = text.slice(end + 1)
  switch (kind) {
    case 'e':
      return { kind: 'entry', offset: Number(offset), stored: rest }
    case 'l': {
      const { head, message } = split(rest)
      return { kind: 'live', live: { ...head, message, fromClient: head.fromClient ?? false } }
    }
    case 't':
      return { kind: 'tick', offset: Number(offset), node, nodes: Number(nodes) }
    case 'g':
      return { kind: 'gap', offset: Number(offset), streams: JSON.parse(rest) }
    case 's':
      return { kind: 'signal', signal: JSON.parse(rest) }
    default:
      throw new Error('another program publishes to our channels')
  }
}

function split(stored: string): { head: Head; message: string } {
  const end = stored.indexOf('\n')
  return { head: end === 0 ? {} : JSON.parse(stored.slice(0, end)), message: stored.slice(end + 1) }
}
