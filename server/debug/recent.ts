/**
 * Under --dev: the last refusals, and the last messages of each stream. Bounded in number and in bytes.
 *
 * A refusal is a line of the log with a code, at any level, whether the log shows that level or not.
 */
import { copyOf } from '../base/copy-of.ts'
import { soon } from '../base/soon.ts'
import type { Publish } from '../broadcast/backend.ts'
import type { Log } from '../log.ts'
import type { Publication } from '../protocol/publication.ts'
import { shorten } from './shorten.ts'

export interface RecentRefusal {
  /** Unix time in ms. */
  readonly at: number
  readonly code: string
  readonly text: string
  /** The start of the session's sid, if it has one. */
  readonly sid: string | undefined
}

export interface RecentMessage {
  /** Unix time in ms. */
  readonly at: number
  /** The newest offset of all streams, just after it was published. */
  readonly offset: number
  /** JSON text, shortened. */
  readonly message: string
  /** Whether a session listened. */
  readonly isHeard: boolean
  readonly isTransient: boolean
}

export interface PublishedParts {
  hub: { hasListeners: (stream: string) => boolean }
  /** The newest offset, of all streams. */
  newest: () => number
}

export interface Recent {
  /** The newest last. */
  readonly refusals: readonly RecentRefusal[]
  /** By stream; the newest message, and the stream with it, last. */
  readonly messages: ReadonlyMap<string, readonly RecentMessage[]>
  /** Logs as `log` does, and keeps refusals. */
  logged: (log: Log) => Log
  /** Publishes as `publish` does, and keeps the messages. */
  published: (publish: Publish, parts: PublishedParts) => Publish
}

const MOST_REFUSALS = 100
const MOST_STREAMS = 100
const MOST_MESSAGES = 5
const LONGEST_NAME = 200
const LONGEST_MESSAGE = 4000
/** Characters of a sid: enough to find it in the log, and too few to resume the session. */
export const SID_SHOWN = 8

export function createRecent(wall: () => number): Recent {
  const refusals: RecentRefusal[] = []
  const messages = new Map<string, RecentMessage[]>()

  function keepRefusal(about: unknown, text: unknown): void {
    if (typeof about !== 'object' || about === null || !('code' in about) || typeof text !== 'string') return
    const { code, sid } = about as { code: unknown; sid?: unknown }
    refusals.push({
      at: wall(),
      code: String(code),
      text: kept(text),
      sid: typeof sid === 'string' ? sid.slice(0, SID_SHOWN) : undefined,
    })
    if (refusals.length > MOST_REFUSALS) refusals.shift()
  }

  function keepMessage({ stream, message, transient }: Publication, { hub, newest }: PublishedParts): void {
    const name = kept(stream, LONGEST_NAME)
    const last = messages.get(name) ?? []
    const isHeard = hub.hasListeners(stream)
    last.push({
      at: wall(),
      offset: newest(),
      message: kept(message, LONGEST_MESSAGE),
      isHeard,
      isTransient: transient,
    })
    if (last.length > MOST_MESSAGES) last.shift()
    messages.delete(name)
    messages.set(name, last)
    if (messages.size > MOST_STREAMS) messages.delete(messages.keys().next().value!)
  }

  return {
    refusals,
    messages,
    logged(log) {
      const at = (level: keyof Log) =>
        ((...given: [unknown, ...unknown[]]) => {
          keepRefusal(given[0], given[1])
          log[level](...(given as [string]))
        }) as Log[keyof Log]
      return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    },
    published: (publish, parts) => publications =>
      soon(publish(publications), published => {
        for (const publication of published) keepMessage(publication, parts)
        return published
      }),
  }
}

const kept = (text: string, most?: number): string => copyOf(shorten(text, most))
