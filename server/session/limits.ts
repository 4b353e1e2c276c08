/**
 * The limits of one session.
 */
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
  /** Bytes of a presence member's info (as JSON) and id, together. */
  readonly maxPresenceInfoSize: number
}

/** Stock identifiers with a position have about 200 bytes; the rest is for long stream names. */
const IDENTIFIER_SIZE = 512

/** Settings, by their names. */
export interface LimitSettings {
  readonly max_subscriptions: number
  readonly max_identifier_length: number
  readonly max_identifiers_size: number
  readonly ws_max_pending_size: number
  readonly max_whisper_size: number
  readonly max_presence_info_size: number
}

export function limitsOf(settings: LimitSettings): Limits {
  // The setting counts one page. On a visit the next page subscribes while the last one unsubscribes.
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
