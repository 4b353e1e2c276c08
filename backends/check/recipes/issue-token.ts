/** Tokens. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { BASE64URL, KEYS, MACS } from './signing.ts'
import { SPELLINGS } from './spelling.ts'

interface Tokens {
  identity: Record<string, unknown>
  secret: string
  ttl: number
  now: number
  /** The time of the answer, in Unix seconds. */
  clock: number
}
const TOKENS = {
  header: ways('{"alg":"HS256","typ":"JWT"}', {
    'the header has typ before alg: {"alg":"HS256","typ":"JWT"}': '{"typ":"JWT","alg":"HS256"}',
    'the header has no typ: {"alg":"HS256","typ":"JWT"}': '{"alg":"HS256"}',
    'the header has spaces: {"alg":"HS256","typ":"JWT"}': '{"alg": "HS256", "typ": "JWT"}',
    'the header has spaces, and typ before alg: {"alg":"HS256","typ":"JWT"}': '{"typ": "JWT", "alg": "HS256"}',
    'alg is HS512: use HS256': '{"alg":"HS512","typ":"JWT"}',
    'alg is HS384: use HS256': '{"alg":"HS384","typ":"JWT"}',
    'alg is none: use HS256': '{"alg":"none","typ":"JWT"}',
    'alg is sha256: use HS256': '{"alg":"sha256","typ":"JWT"}',
    'alg is in lower case: use HS256': '{"alg":"hs256","typ":"JWT"}',
  }),
  json: SPELLINGS,
  ext: ways((identity: Record<string, unknown>, json: (value: unknown) => string): unknown => json(identity), {
    'ext is an object: use the JSON of the identity, as a string': identity => identity,
    'ext is encoded twice: once is enough': (identity, json) => json(json(identity)),
    'ext is base64: use the JSON of the identity, as a string': (identity, json) => btoa(json(identity)),
    'the keys of the identity are sorted: leave them in the order given': (identity, json) =>
      json(Object.fromEntries(Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1)))),
    'an identity without keys is [] (PHP: cast it to an object)': (identity, json) =>
      Object.keys(identity).length === 0 ? '[]' : json(identity),
  }),
  exp: ways(({ now, ttl }: Tokens): unknown => now + ttl, {
    'exp is missing': () => undefined,
    'exp is in milliseconds: use seconds': ({ now, ttl }) => (now + ttl) * 1000,
    'exp is a string: use a number': ({ now, ttl }) => String(now + ttl),
    'exp is computed from the clock: compute it from now': ({ clock, ttl }) => clock + ttl,
    'exp is the ttl: add it to now': ({ ttl }) => ttl,
    'exp is now: add the ttl': ({ now }) => now,
    'you ignored ttl, and took an hour': ({ now }) => now + 3600,
    'ttl is taken for minutes: it is seconds': ({ now, ttl }) => now + ttl * 60,
    'exp is an ISO date: use a number of seconds': ({ now, ttl }) => new Date((now + ttl) * 1000).toISOString(),
  }),
  claims: ways((ext: unknown, exp: unknown, _question: Tokens): unknown => ({ ext, exp }), {
    'exp is before ext: ext comes first': (ext, exp) => ({ exp, ext }),
    'the claims have an iat: leave it out': (ext, exp, { now }) => ({ ext, exp, iat: now }),
    'the claims have an iat, before exp: leave it out': (ext, exp, { now }) => ({ ext, iat: now, exp }),
    'the claims have an iat, before ext: leave it out': (ext, exp, { now }) => ({ iat: now, ext, exp }),
    'the identity is in the claims themselves: it goes into ext, as a string of JSON': (_, exp, { identity }) => ({
      ...identity,
      exp,
    }),
    'the identity is in sub: it goes into ext': (sub, exp) => ({ sub, exp }),
  }),
  written: ways((claims: unknown, json: (value: unknown) => string) => json(claims), {
    'exp has a fraction: use whole seconds': (claims, json) => json(claims).replace(/("exp":-?\d+)/, '$1.0'),
  }),
  base64: BASE64URL,
  signed: ways((unsigned: string, _claims: string) => unsigned, {
    'you signed the claims alone: header and claims are signed, with the dot': (_, claims) => claims,
    'you signed header and claims without the dot': unsigned => unsigned.replace('.', ''),
    'you signed the JSON, not the base64url of it': unsigned =>
      unsigned
        .split('.')
        .map(part => Buffer.from(part, 'base64url').toString())
        .join('.'),
  }),
  key: KEYS,
  mac: MACS,
  signature: ways((mac: Buffer, base64: (bytes: Buffer) => string) => base64(mac), {
    'the signature is base64url of its hex: use the bytes': (mac, base64) => base64(Buffer.from(mac.toString('hex'))),
    'the signature is hex: use base64url': mac => mac.toString('hex'),
    'the signature has padding: base64url has no =': mac => BASE64URL[1]!.do(mac),
    'the signature is in the standard alphabet of base64: use the URL-safe one': mac => BASE64URL[2]!.do(mac),
    'the signature is standard base64: use base64url, without padding': mac => BASE64URL[3]!.do(mac),
    'the signature is empty': () => '',
  }),
} satisfies Steps

function token(how: Choice<typeof TOKENS>, question: Tokens): string {
  const ext = how.ext(question.identity, how.json)
  const written = how.written(defined(how.claims(ext, how.exp(question), question)), how.json)
  const claims = how.base64(Buffer.from(written))
  const unsigned = `${how.base64(Buffer.from(how.header))}.${claims}`
  const mac = how.mac(how.key(question.secret), Buffer.from(how.signed(unsigned, claims)))
  return `${unsigned}.${how.signature(mac, how.base64)}`
}

const defined = (claims: unknown): unknown =>
  Object.fromEntries(Object.entries(claims as object).filter(([, value]) => value !== undefined))

export const issueToken = recipe(TOKENS, token)
