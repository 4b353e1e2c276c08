/** `hotcable name`: a signed stream name, or the element with it, made with the environment's secret. */
import { guarded, Misused, readArguments } from './arguments.ts'
import { isFailure } from './doctor/ask.ts'
import { askForPosition, positionIn } from './doctor/position.ts'
import { parseDuration } from './duration.ts'
import type { Io } from './io.ts'
import { type Keys, readKeys } from './keys.ts'
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
    const ttl = values.expires === undefined ? undefined : parseDuration(values.expires)
    if (values.expires !== undefined && ttl === undefined)
      throw new Misused('needs --expires as a time: 90s, 15m, 12h, 7d')
    const [stream] = positionals
    if (!stream || positionals.length > 1) throw new Misused('needs the name of one stream')
    const keys = await readKeys(io)
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
    io.stdout.write(`${element(signed, await position(keys))}\n`)
    return 0
  })

async function position({ env, broadcast }: Keys): Promise<string> {
  const port = broadcast === undefined ? 8090 : 8080
  const url = URL.parse(env.ANYCABLE_HTTP_BROADCAST_URL || `http://localhost:${port}/_broadcast`)
  if (url === null || !/^https?:$/.test(url.protocol)) return '-'
  // (The helper waits 250 ms only, because a visitor waits.)
  const answer = await askForPosition(url, broadcast, 5000)
  return isFailure(answer) || answer.status !== 200 ? '-' : (positionIn(answer.body) ?? '-')
}

/** As the helper's stream_from prints it. */
function element(signed: string, position: string): string {
  const id = `cable-${signed.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  const attributes = `id="${id}" data-position="${position}" channel="Turbo::StreamsChannel" signed-stream-name="${signed}"`
  return `<turbo-cable-stream-source ${attributes}></turbo-cable-stream-source>`
}
