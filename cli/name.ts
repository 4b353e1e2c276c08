/** `hotcable name`: a signed stream name, or the element with it, made with the environment's secret. */
import { position } from '../backends/typescript/hotcable.ts'
import { guarded, Misused, readArguments } from './arguments.ts'
import { seconds } from './duration.ts'
import type { Io } from './io.ts'
import { readKeys } from './keys.ts'
import { sign } from './sign.ts'

export const help = `Usage: hotcable name <stream> [--expires=1h] [--purpose=<text>] [--html]

Prints the stream's name, signed for Turbo. The secret comes from the environment or .env, as for \`hotcable cable\`:
ANYCABLE_TURBO_STREAMS_SECRET, ANYCABLE_STREAMS_SECRET, or ANYCABLE_SECRET.

  --expires   how long it is valid: 90s, 15m, 12h, 7d; for ever by default (anycable-go refuses names that expire)
  --purpose   the purpose in it; by default HOTCABLE_STREAMS_PURPOSE, or none
  --html      prints the <turbo-cable-stream-source> with it, and with the position of the cable, which it asks at
              ANYCABLE_HTTP_BROADCAST_URL; the position is "-" if the cable does not answer

The name lets each client with a token listen to the stream.
`

export const run = (args: string[], io: Io): Promise<number> =>
  guarded('name', io.stderr, async () => {
    const { values, positionals } = readArguments(args, {
      expires: { type: 'string' },
      purpose: { type: 'string' },
      html: { type: 'boolean', default: false },
    })
    const ttl = values.expires === undefined ? undefined : seconds(values.expires)
    if (values.expires !== undefined && ttl === undefined)
      throw new Misused('needs --expires as a time: 90s, 15m, 12h, 7d')
    const [stream] = positionals
    if (!stream || positionals.length > 1) throw new Misused('needs the name of one stream')
    const keys = readKeys(io)
    if (keys === undefined) return 1
    if (keys.streams === undefined) {
      io.stderr.write('hotcable: no secret for stream names: set ANYCABLE_SECRET (hotcable secret >> .env)\n')
      return 1
    }
    const expires = ttl === undefined ? undefined : Date.now() + ttl * 1000
    const signed = sign(stream, keys.streams, { purpose: values.purpose ?? keys.purpose, expires })
    if (!values.html) {
      io.stdout.write(`${signed}\n`)
      return 0
    }
    const url = keys.env.ANYCABLE_HTTP_BROADCAST_URL || `http://localhost:${keys.broadcast ? 8080 : 8090}/_broadcast`
    io.stdout.write(`${element(signed, await position(stream, { url, key: keys.broadcast ?? 'none' }))}\n`)
    return 0
  })

/** As the helper's stream_from prints it. */
function element(signed: string, position: string): string {
  const id = `cable-${signed.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  const attributes = `id="${id}" data-position="${position}" channel="Turbo::StreamsChannel" signed-stream-name="${signed}"`
  return `<turbo-cable-stream-source ${attributes}></turbo-cable-stream-source>`
}
