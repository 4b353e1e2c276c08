/**
 * The cable, and AnyCable with the same flags: the same clients, the same POSTs.
 *
 * Tokens, signed names, history and metrics are on.
 */
import { randomUUID } from 'node:crypto'
import { globSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { json } from 'node:stream/consumers'
import { broadcastKey, issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import manifest from '../../package.json' with { type: 'json' }
import { freePorts } from '../../start/network.ts'
import { listening, type MeasuredProgram, type MeasuredProgramOptions, startProgram } from '../process.ts'
import { clientFrame, postRequest, upgradeRequest } from '../wire.ts'
import { type ClientOptions, type Peer, STREAM, type Target } from './peer.ts'

export const SECRET = randomUUID()
export const BROADCAST_KEY = broadcastKey({ secret: SECRET })
const FLAGS = [
  `--secret=${SECRET}`,
  '--norpc',
  '--turbo_streams',
  '--broadcast_adapter=http',
  '--broker=memory',
  '--metrics_http=/metrics',
]

/** The usual flags and these; with an app to call, `--norpc` gives way. */
const withFlags = (more: readonly string[]) => [
  ...FLAGS.filter(flag => flag !== '--norpc' || !more.some(other => other.startsWith('--rpc_host='))),
  ...more,
]

/** Node's arguments in `npm run cable`, which begins with `exec node`. */
const AS_RUN = manifest.scripts.cable.split(' ').slice(2)

export const hotcable = (
  nodeFlags: readonly string[] = [],
  flags: readonly string[] = [],
  { env = {}, ...options }: Partial<MeasuredProgramOptions> = {},
): Peer => ({
  name: 'Hotcable',
  async start() {
    const [port] = (await freePorts(1)) as [number]
    const own = ['--host=127.0.0.1', `--port=${port}`, '--shutdown_timeout=0']
    const argv = [...nodeFlags, ...AS_RUN, ...own, ...withFlags(flags)]
    const program = await startProgram(process.execPath, argv, {
      ...options,
      env: { ...clean(), ...env },
      ready: /backends broadcast to/,
    })
    return target(program, port, port)
  },
})

export function anycable(flags: readonly string[] = []): Peer {
  const thruster = globSync('tmp/gems/gems/anycable-thruster-*/exe/*/thrust').at(-1)
  return {
    name: 'AnyCable',
    absent: thruster === undefined ? 'npm run setup -- --reference' : undefined,
    async start() {
      // The gem serves clients on its own port, with AnyCable in the same process, and POSTs of backends on another.
      const [front, back] = (await freePorts(2)) as [number, number]
      const program = await startProgram(thruster!, ['cat'], {
        ready: /Server started/,
        env: {
          ...clean(),
          GOMAXPROCS: '1',
          ANYCABLE_DISABLE_TELEMETRY: 'true',
          ANYCABLE_OPT: withFlags(flags).join(' '),
          ANYCABLE_HOST: '127.0.0.1',
          ANYCABLE_PORT: String(back),
          HTTP_PORT: String(front),
          LOG_REQUESTS: '0',
          STORAGE_PATH: 'tmp/bench/thruster',
        },
      })
      await listening(back)
      return target(program, front, back)
    },
  }
}

/** The least that a cable built on ws can do: see bare-ws.ts. */
export const leastWs = (): Peer => ({
  name: 'ws, signatures checked',
  async start() {
    const [port] = (await freePorts(1)) as [number]
    const program = await startProgram(process.execPath, [`${import.meta.dirname}/bare-ws.ts`, String(port), SECRET], {
      ready: /ready/,
    })
    return target(program, port, port)
  },
})

function target(program: MeasuredProgram, port: number, postPort: number): Target {
  return {
    program,
    port,
    postPort,
    greeting: '"type":"welcome"',
    confirmation: '"confirm_subscription"',
    async clients(count, { stream = () => STREAM, group = () => 0, distinct = false }: ClientOptions = {}) {
      const positions = await distinctPositions(postPort, distinct ? count : 1)
      return Array.from({ length: count }, (_, n) => {
        const token = issueToken({ visitor: randomUUID() }, { secret: SECRET })
        return {
          group: group(n),
          hello: upgradeRequest('/cable', ['actioncable-v1-ext-json', `anycable-token.${token}`]),
          words: subscribe(stream(n), positions[n % positions.length]),
        }
      })
    },
    post: (stream, { html }) => publish(JSON.stringify({ stream, data: JSON.stringify(html) })),
  }
}

/** A subscription to a stream, as Turbo names it. */
export const identifierOf = (stream: string, position?: string): string =>
  JSON.stringify({
    channel: 'Turbo::StreamsChannel',
    position,
    signed_stream_name: signStream(stream, { secret: SECRET }),
  })

/** The command with which a client subscribes. */
export const subscribe = (stream: string, position?: string): Buffer =>
  clientFrame(JSON.stringify({ command: 'subscribe', identifier: identifierOf(stream, position) }))

/** Sends a POST now. */
export async function send({ postPort }: Target, body: string): Promise<void> {
  const headers = { authorization: `Bearer ${BROADCAST_KEY}`, 'content-type': 'application/json' }
  const { status } = await fetch(`http://127.0.0.1:${postPort}/_broadcast`, { method: 'POST', headers, body })
  if (status !== 201) throw new Error(`a POST was refused: ${status}`)
}

/** A POST of a body that is already JSON. */
export const publish = (body: string): Buffer =>
  postRequest('/_broadcast', body, [`Authorization: Bearer ${BROADCAST_KEY}`, 'Content-Type: application/json'])

/** A position for each page. AnyCable has no positions, and takes one for a part of the name. */
async function distinctPositions(port: number, count: number): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      get(
        {
          agent,
          host: '127.0.0.1',
          port,
          path: `/_broadcast/position?stream=${STREAM}`,
          headers: { authorization: `Bearer ${BROADCAST_KEY}` },
        },
        async answer => {
          if (answer.statusCode === 200) resolve(((await json(answer)) as { position: string }).position)
          else answer.resume().on('end', () => resolve(`${Math.floor(Math.random() * 1e9)}/aZ3xaZ3x`))
        },
      ).on('error', reject)
    })
  const positions = await Promise.all(Array.from({ length: count }, ask))
  agent.destroy()
  return positions
}

/** The environment, without variables that would configure a cable. */
export const clean = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(ANYCABLE|HOTCABLE|THRUSTER)_|^(PORT|NODE_OPTIONS)$/.test(name)),
  )
