/** `hotcable doctor <url>`: examines a cable from outside, and says what is wrong and how to mend it. */
import { text } from 'node:stream/consumers'
import { issueToken } from '../backends/typescript/hotcable.ts'
import { guarded, Misused, readArguments } from './arguments.ts'
import { judge } from './doctor/checks.ts'
import { type LookOptions, look, type Token } from './doctor/look.ts'
import { tokenIn } from './doctor/page.ts'
import { isFailed, json, table } from './doctor/report.ts'
import { findTarget, type Target } from './doctor/target.ts'
import type { Io } from './io.ts'
import { type Keys, readKeys } from './keys.ts'

export const help = `Usage: hotcable doctor <url> [--origin=<url>] [--token] [--wait=12] [--timeout=10] [--json]

Examines a cable from outside: address and certificate, upgrade, origin, token, pings, time-outs and buffers of proxies,
clocks, broadcasts, the page's script. Each check is ok, warn, FAIL (with the fix) or - (not checked, with the reason).
The exit code is 1 if a check failed, else 0.

  <url>      the cable, ws:// or wss://, or a page, http:// or https://: its tags name the cable, the token and a stream
  --origin   the origin of your pages, if it is not the cable's: https://app.example.com
  --token    reads a token from stdin: hotcable token ada | hotcable doctor --token wss://example.com/cable
  --wait     how many seconds the connection must stay open; more than 60 finds proxies that cut after a minute
  --timeout  how many seconds each step may take
  --json     prints JSON

Start it where your app runs, with the app's environment or .env. It uses
  HOTCABLE_TOKEN               a token; without it the doctor takes the page's, or signs a new one
  ANYCABLE_SECRET …            to sign a token and the name of a stream of the doctor's own
  ANYCABLE_HTTP_BROADCAST_URL  to broadcast one message to that stream
`

export const run = (args: string[], io: Io): Promise<number> =>
  guarded('doctor', io.stderr, async () => {
    const { values, positionals } = readArguments(args, {
      origin: { type: 'string' },
      token: { type: 'boolean', default: false },
      wait: { type: 'string', default: '12' },
      timeout: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    })
    const url = urlOf(positionals)
    const origin = values.origin === undefined ? undefined : originOf(values.origin)
    const [waitMs, timeoutMs] = [inMs('--wait', values.wait), inMs('--timeout', values.timeout)]
    const keys = await readKeys(io)
    if (keys === undefined) return 1
    const given = await givenToken(values.token, keys.env, io.stdin)

    const target = await findTarget(url, timeoutMs)
    const token = given ?? tokenOf(url, target, keys)
    const options: LookOptions = {
      ...{ token, waitMs, timeoutMs, streams: keys.streams, purpose: keys.purpose, jwtParam: keys.jwtParam },
      origin: origin ?? target.page?.url.origin ?? target.cable.origin.replace(/^ws/, 'http'),
      broadcastUrl: broadcastUrl(target, keys),
      broadcastKey: keys.broadcast,
    }
    const seen = await look(target, options)

    const rows = judge(seen)
    io.stdout.write((values.json ? json : table)(seen, rows))
    return rows.some(isFailed) ? 1 : 0
  })

function urlOf(positionals: readonly string[]): URL {
  const [text = ''] = positionals
  const url = URL.parse(text)
  if (positionals.length !== 1 || url === null || !/^(ws|http)s?:$/.test(url.protocol))
    throw new Misused('needs one URL: wss://example.com/cable, or that of a page')
  return url
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Misused('needs --origin as https://app.example.com')
  return url.origin
}

function inMs(name: string, text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 3600)) throw new Misused(`needs ${name} as a number of seconds, 3600 at most`)
  return seconds * 1000
}

async function givenToken(isOnStdin: boolean, env: Io['env'], stdin: Io['stdin']): Promise<Token | undefined> {
  const given = (isOnStdin ? await text(stdin) : (env.HOTCABLE_TOKEN ?? '')).trim()
  if (isOnStdin && given === '') throw new Misused('found no token on stdin')
  // It becomes a part of a header.
  if (!/^[\w.-]*$/.test(given)) throw new Misused('needs a token of letters, digits, ".", "-" and "_"')
  return given === '' ? undefined : { text: given, from: isOnStdin ? 'from stdin' : 'from HOTCABLE_TOKEN' }
}

function tokenOf(url: URL, { page }: Target, { jwt }: Keys): Token | undefined {
  const inUrl = tokenIn(url.search)
  if (inUrl !== undefined) return { text: inUrl, from: 'from the URL' }
  if (page?.tags.token !== undefined) return { text: page.tags.token, from: 'from the page' }
  if (jwt === undefined) return undefined
  const text = issueToken({ user: 'hotcable doctor' }, { secret: jwt, ttl: 300 })
  return { text, from: "signed with this environment's secret" }
}

/** As the helpers choose it. Without the variable we know the URL only if the cable is on this machine. */
function broadcastUrl({ cable }: Target, keys: Keys): URL | undefined {
  const given = keys.env.ANYCABLE_HTTP_BROADCAST_URL
  if (given) {
    const url = URL.parse(given)
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new Misused('needs ANYCABLE_HTTP_BROADCAST_URL to begin with http:// or https://')
    return url
  }
  const isNear = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(cable.hostname)
  if (!isNear || keys.jwt === undefined) return undefined
  return new URL(`http://localhost:${keys.broadcast === undefined ? 8090 : 8080}/_broadcast`)
}
