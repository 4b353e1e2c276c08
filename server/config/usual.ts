/**
 * Settings that a command switches on: they count where the operator gave neither a flag nor a variable. Pure.
 */
import type { Usual } from './settle.ts'

/** Turbo streams and server-sent events. Without a secret no page could have a signed name, so Turbo stays off. */
export const turboAndEvents: Usual = given => ({
  sse: true,
  ...(STREAM_SECRETS.some(name => given.get(name)) ? { turbo_streams: true } : {}),
})

const STREAM_SECRETS = ['turbo_streams_secret', 'turbo_rails_key', 'streams_secret', 'secret'] as const
