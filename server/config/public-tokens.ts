/**
 * The public keys of --jwt_public_key, read and checked before anything listens.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { PublicTokens } from '../auth/jwks.ts'
import { readsPublicTokens } from './config.ts'
import type { Values } from './settings.ts'

/** Returns `undefined` if no key and no URL is set, or after it passed `problem` a sentence that names the setting. */
export function readPublicTokens(values: Values, problem: (sentence: string) => void): PublicTokens | undefined {
  if (!readsPublicTokens(values)) return undefined
  try {
    return {
      keys: values.jwks_url || readKeys(values.jwt_public_key),
      issuer: values.jwt_issuer,
      audiences: values.jwt_audience,
      claim: values.jwt_identity_claim,
    }
  } catch (error) {
    problem(`--jwt_public_key ${(error as Error).message}`)
    return undefined
  }
}

/** Throws an Error whose message follows the name of the setting, and repeats nothing of the text. */
function readKeys(setting: string): KeyObject[] {
  const pem = setting.includes('-----BEGIN') ? setting.replaceAll('\\n', '\n') : readFile(setting)
  // Node would make the public key from a private one.
  if (pem.includes('PRIVATE KEY')) throw new Error('is a private key: give the cable the public key only')
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g)
  if (blocks === null) throw new Error('must be a public key (PEM), or a file with one')
  return blocks.map(readKey)
}

function readFile(name: string): string {
  try {
    return readFileSync(name, 'utf8')
  } catch (cause) {
    throw new Error('is neither a public key (PEM) nor a file that can be read', { cause })
  }
}

function readKey(pem: string): KeyObject {
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch (cause) {
    throw new Error('must be a public key (PEM), or a file with one', { cause })
  }
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: { modulusLength = 0, namedCurve = '' } = {} } = key
  if (type === 'rsa' && modulusLength < 2048) throw new Error('is an RSA key of less than 2048 bits: make a longer one')
  if (type !== 'rsa' && type !== 'ed25519' && !CURVES.has(namedCurve))
    throw new Error('must be an RSA, Ed25519, P-256, P-384 or P-521 key')
  return key
}

/** As OpenSSL names P-256, P-384 and P-521. */
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
