/**
 * The keys of a cable, by name, to say which of them signed a text. Pure.
 */
import { createHmac } from 'node:crypto'
import type { PublicTokens } from '../auth/jwks.ts'
import { deriveKey, type Secret } from '../auth/keys.ts'
import type { ChannelSettings, Signed } from '../channels/channels.ts'

/** The part of the configuration that says what a text opens. */
export interface KeySettings extends ChannelSettings {
  readonly jwtSecrets: readonly string[]
  /** In place of secrets. */
  readonly publicTokens: PublicTokens | undefined
  readonly broadcastKeys: readonly string[]
  readonly api: { readonly keys: readonly string[] } | undefined
}

export interface Key {
  /** `the secret of tokens`, `former secret 1 of stream names` */
  readonly name: string
  readonly secret: Secret
}

/** A key for each purpose, the present one first. One secret may be there under several names. */
export function namedKeys(
  settings: KeySettings,
): Record<'tokens' | 'streams' | 'turbo' | 'cableReady' | 'backends', Key[]> {
  const { jwtSecrets, streamsSecrets, turbo, cableReady, broadcastKeys, api } = settings
  return {
    tokens: named('secret', 'of tokens', jwtSecrets),
    streams: named('secret', 'of stream names', streamsSecrets),
    turbo: ofChannel('of stream names for Turbo', turbo),
    cableReady: ofChannel('of stream names for CableReady', cableReady),
    backends: [...named('key', 'of broadcasts', broadcastKeys), ...named('key', 'of the REST API', api?.keys ?? [])],
  }
}

const named = (what: string, of: string, secrets: readonly Secret[]): Key[] =>
  secrets.map((secret, at) => ({ name: at === 0 ? `the ${what} ${of}` : `former ${what} ${at} ${of}`, secret }))

/** Keys that Rails derives are bytes. */
function ofChannel(of: string, signed: Signed | undefined): Key[] {
  const isDerived = (secret: Secret) => typeof secret !== 'string'
  const secrets = signed?.secrets ?? []
  return [
    ...named(
      'secret',
      of,
      secrets.filter(secret => !isDerived(secret)),
    ),
    ...secrets.filter(isDerived).map(secret => ({ name: 'the key that Rails derives from secret_key_base', secret })),
  ]
}

/** Returns the name of the key with this HMAC of the text; `undefined` if none of them has it. */
export function signerOf(keys: readonly Key[], digest: string, text: string, signature: Buffer): string | undefined {
  return keys.find(({ secret }) => secret !== '' && hmac(digest, secret, text).equals(signature))?.name
}

/** The same, for a text that the cable refuses: all keys, also as a backend may spell them by mistake. */
export function strangeSignerOf(
  settings: KeySettings,
  digest: string,
  text: string,
  signature: Buffer,
): string | undefined {
  const keys = Object.values(namedKeys(settings)).flat()
  const own = signerOf(keys, digest, text, signature)
  if (own !== undefined) return own
  return signerOf(keys.flatMap(misspelt), digest, text, signature)
}

const misspelt = ({ name, secret }: Key): Key[] => {
  if (typeof secret !== 'string') return []
  const as = (how: string, secret: Secret) => ({ name: `${name}, but ${how}`, secret })
  return [
    as('with a line break at its end', `${secret}\n`),
    as('in quotation marks', `"${secret}"`),
    ...(/^(?:[0-9a-f]{2})+$/i.test(secret) ? [as('decoded from hexadecimal', Buffer.from(secret, 'hex'))] : []),
    ...(/^[\w+/=-]+$/.test(secret) ? [as('decoded from base64', Buffer.from(secret, 'base64'))] : []),
    as('as the key of broadcasts, which derives from it', deriveKey(secret, 'broadcast')),
  ]
}

const hmac = (digest: string, secret: Secret, text: string): Buffer => createHmac(digest, secret).update(text).digest()
