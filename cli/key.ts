/** `hotcable key`: a key that derives from the environment's secret. */
import { deriveKey, PHRASES, type Purpose } from '../server/auth/keys.ts'
import { guarded, Misused, readArguments } from './arguments.ts'
import type { Io } from './io.ts'
import { readHere } from './keys.ts'

export const help = `Usage: hotcable key broadcast|api|subscribe|rpc

Prints the key that derives from ANYCABLE_SECRET, of the environment or .env:

  broadcast   backends broadcast with it: for ANYCABLE_BROADCAST_KEY or, before you change the secret,
              HOTCABLE_BROADCAST_PREVIOUS_KEYS
  api         of the REST API: for ANYCABLE_API_SECRET or HOTCABLE_API_PREVIOUS_SECRETS
  subscribe   with which the cable asks your app: for HOTCABLE_SUBSCRIBE_KEY
  rpc         the same, over HTTP: for ANYCABLE_HTTP_RPC_SECRET

Other users of the machine can read a command line, so give curl the key on its input:

  echo "Authorization: Bearer $(hotcable key api)" | curl -H @- http://localhost:8080/api/stats
`

export const run = (args: string[], io: Io): Promise<number> =>
  guarded('key', io.stderr, async () => {
    const [name = '', ...more] = readArguments(args, {}).positionals
    if (!Object.hasOwn(PHRASES, name) || more.length > 0)
      throw new Misused(`needs the name of one key: ${Object.keys(PHRASES).join(', ')}`)
    const here = await readHere(io)
    if (here === undefined) return 1
    const secret = here.env.ANYCABLE_SECRET
    if (!secret) {
      io.stderr.write('hotcable: no secret from which a key derives: set ANYCABLE_SECRET (hotcable secret >> .env)\n')
      return 1
    }
    io.stdout.write(`${deriveKey(secret, name as Purpose)}\n`)
    return 0
  })
