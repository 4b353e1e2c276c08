/** `hotcable token`: a token for a client, signed with the environment's secret. */
import { issueToken } from '../backends/typescript/hotcable.ts'
import { guarded, Misused, readArguments } from './arguments.ts'
import { parseDuration } from './duration.ts'
import type { Io } from './io.ts'
import { readKeys } from './keys.ts'

export const help = `Usage: hotcable token <user> [--ttl=1h]
       hotcable token --ext=<identity> [--ttl=1h]

Prints a token (a JWT) with which a client may connect. The secret comes from the environment or .env, as for
\`hotcable cable\`: ANYCABLE_JWT_SECRET, or ANYCABLE_SECRET.

  <user>   the identity is {"user":"<user>"}
  --ext    the identity as a JSON object, for example --ext='{"user":42,"admin":true}'
  --ttl    how long it is valid: 90s, 15m, 12h, 7d; one hour by default

Each client that has the token may connect, so pass it on without printing it:

  hotcable token ada | hotcable doctor --token wss://example.com/cable
`

export const run = (args: string[], io: Io): Promise<number> =>
  guarded('token', io.stderr, async () => {
    const { values, positionals } = readArguments(args, { ttl: { type: 'string' }, ext: { type: 'string' } })
    const ttl = parseDuration(values.ttl ?? '1h')
    if (ttl === undefined) throw new Misused('needs --ttl as a time: 90s, 15m, 12h, 7d')
    if (positionals.length + (values.ext === undefined ? 0 : 1) !== 1) throw new Misused('needs a user, or --ext')
    const identity = values.ext === undefined ? { user: positionals[0]! } : parseIdentity(values.ext)
    const keys = await readKeys(io)
    if (keys === undefined) return 1
    if (keys.jwt === undefined) {
      io.stderr.write(`hotcable: ${keys.hasProvider ? PROVIDER : NO_SECRET}\n`)
      return 1
    }
    io.stdout.write(`${issueToken(identity, { secret: keys.jwt, ttl })}\n`)
    return 0
  })

const NO_SECRET = 'no secret for tokens: set ANYCABLE_SECRET (hotcable secret >> .env)'
const PROVIDER = 'the cable reads the tokens of an identity provider (--jwt_public_key or --jwks_url): get one there'

function parseIdentity(text: string): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, string>
  } catch {}
  throw new Misused('needs --ext as a JSON object')
}
