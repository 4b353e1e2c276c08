/**
 * What one session may hold and say.
 */
import type { Values } from './settings.ts'

export interface Limits {
  readonly maxSubscriptions: number
  /** UTF-16 units of one identifier. */
  readonly maxIdentifierLength: number
  /** Bytes of all its identifiers. */
  readonly maxIdentifiersSize: number
  /** Bytes that one replay may have. */
  readonly maxReplayBytes: number
  /** Bytes of the data of one whisper, as JSON. */
  readonly maxWhisperSize: number
  /** Bytes of what a member says of itself, as JSON, and its id. */
  readonly maxPresenceInfoSize: number
}

/** Stock identifiers with a position have about 200 bytes: this is room for long names of streams. */
const IDENTIFIER_SIZE = 512

export function limitsOf(settings: Values): Limits {
  // The setting counts one page. While a page is being left, the next one's subscriptions come beside it.
  const maxSubscriptions = 2 * settings.max_subscriptions
  return {
    maxSubscriptions,
    maxIdentifierLength: settings.max_identifier_length,
    maxIdentifiersSize:
      settings.max_identifiers_size < 0 ? maxSubscriptions * IDENTIFIER_SIZE : settings.max_identifiers_size,
    maxReplayBytes: settings.ws_max_pending_size || Number.POSITIVE_INFINITY,
    maxWhisperSize: settings.max_whisper_size,
    maxPresenceInfoSize: settings.max_presence_info_size,
  }
}
