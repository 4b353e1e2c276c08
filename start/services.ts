/**
 * The processes: the cable, the Board in TypeScript, and the Board of every installed language (Rails if its gems are here).
 *
 *   browser ──:3000──▶ web ──▶ cable, python, php, ruby, rails       all but web on free loopback ports
 *
 * Secrets travel in the environment: every user of the machine can read arguments.
 */
import { BOARDS, NEIGHBOURS, type NeighbourName } from '../backends/harness/languages.ts'
import type { ToolCommand } from '../backends/harness/toolchain.ts'
import { isWildcard, LOOPBACK } from './network.ts'

export interface Service extends ToolCommand {
  readonly title: string
  /** Answers 200 once it can be used. */
  readonly health: string
  readonly env: Readonly<Record<string, string>>
  readonly chatter?: RegExp | undefined
  /** We restart it when files in these folders change; absent if it watches its sources itself, or if we do not watch. */
  readonly sources?: readonly string[]
}

/** A cable that `npm start` does not start. */
export interface OtherCable {
  /** Where its clients connect, `http://127.0.0.1:8080`. */
  url: string
  broadcastUrl: string
}

export interface Plan {
  port: number
  /** The cable to use instead of ours. */
  cable?: OtherCable | undefined
  /** Where the Board listens: an address of this machine, or all of them. */
  host: string
  secret: string
  db: string
  /** The installed languages. */
  languages: readonly NeighbourName[]
  /** As many as {@link portsNeeded} says. */
  ports: readonly number[]
  /** Start processes again when their sources change. */
  watch: boolean
}

export const portsNeeded = (languages: readonly NeighbourName[]): number => languages.length + 1

const at = (port: number): string => `http://${LOOPBACK}:${port}`
/** The cable's setting for an outbox in the Board's database. */
export const outboxIn = (db: string): string => `sqlite:${db}`
/** An address by which this machine reaches `host`. */
export const reachable = (host: string): string =>
  isWildcard(host) ? LOOPBACK : host.includes(':') ? `[${host}]` : host

export function services({ port, cable: other, host, secret, db, languages, ports, watch }: Plan): Service[] {
  const [cablePort, ...boardPorts] = ports as [number, ...number[]]
  const { url: cableUrl, broadcastUrl } = other ?? { url: at(cablePort), broadcastUrl: `${at(cablePort)}/_broadcast` }
  const shared = {
    ANYCABLE_SECRET: secret,
    ANYCABLE_HTTP_BROADCAST_URL: broadcastUrl,
    HOTCABLE_DB: db,
    // The Boards store broadcasts for our cable in their database. Another cable may not read it, so they POST.
    HOTCABLE_OUTBOX: other ? '' : outboxIn(db),
  }
  const node = (script: string, ...args: string[]): ToolCommand => ({
    command: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      // As in `npm run cable`: after a herd the cable uses half the memory.
      '--max-semi-space-size=8',
      ...(watch ? ['--watch', '--watch-preserve-output'] : []),
      script,
      ...args,
    ],
  })
  const boards = languages.map((name, index) => {
    const { title, board, chatter, sources } = NEIGHBOURS[name]
    const boardPort = boardPorts[index]!
    const { env, ...command } = board(LOOPBACK, boardPort)
    return {
      ...command,
      ...{ title, chatter },
      ...(watch && sources ? { sources } : {}),
      env: { ...shared, ...env },
      health: `${at(boardPort)}/health`,
    }
  })
  const urls = languages.map((name, index) => [`HOTCABLE_BOARD_${name.toUpperCase()}_URL`, at(boardPorts[index]!)])
  const cable = node(
    'server/main.ts',
    '--dev',
    `--host=${LOOPBACK}`,
    `--port=${cablePort}`,
    '--turbo_streams',
    '--broadcast_adapter=http,outbox',
    '--sse',
    // The cable asks pages to refresh only while web answers.
    `--heal_check=http://${reachable(host)}:${port}/health`,
    '--log_level=warn',
  )
  const web = node('web/main.ts', '--dev', ...(watch ? ['--watch'] : []))
  return [
    ...(other ? [] : [{ ...cable, title: 'The cable', env: shared, health: `${cableUrl}/health` }]),
    {
      ...web,
      title: BOARDS.typescript.title,
      chatter: BOARDS.typescript.chatter,
      env: {
        ...shared,
        HOST: host,
        PORT: String(port),
        HOTCABLE_CABLE_URL: cableUrl,
        ...Object.fromEntries(urls),
      },
      health: `http://${reachable(host)}:${port}/health`,
    },
    ...boards,
  ]
}
