/**
 * `npm start`: the cable and the Board in every language that is here, on one port, until Ctrl-C.
 *
 *   PORT HOST          where the Board listens: 3000, for this machine only; HOST=0.0.0.0 lets phones in
 *   HOTCABLE_DB        its SQLite file: data/board.sqlite3
 *   ANYCABLE_SECRET    one secret for all; default: a random one for this run
 *   HOTCABLE_CABLE_URL, ANYCABLE_HTTP_BROADCAST_URL
 *                      a cable that runs already, with that secret, ours or anycable-go; and where it takes broadcasts.
 *                      Without it the Boards store their broadcasts in their database, and the cable reads them there
 *   SIGUSR2            kills the cable and keeps it away for ten seconds: `npm run demo:outage`
 *   .env               ANYCABLE_… and HOTCABLE_… also count from this file; PORT and HOST do not
 *   --watch            `npm run dev`: restarts processes when their sources change
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NEIGHBOURS, type NeighbourName } from '../backends/harness/languages.ts'
import { missing } from '../backends/harness/toolchain.ts'
import { openOutboxDatabase } from '../server/broadcast/outbox-databases.ts'
import { withDotEnv } from '../server/config/dot-env.ts'
import { ConfigInvalid, readConfig } from '../server/config/read.ts'
import { onChange } from './changes.ts'
import { type Child, keepRunning } from './child.ts'
import { createGuard } from './guard.ts'
import { untilHealthy } from './health.ts'
import { freePorts, isFree, isLoopback, isWildcard, LOOPBACK, lanAddress } from './network.ts'
import { announce, databaseFile } from './running.ts'
import { outboxIn, portsNeeded, reachable, type Service, services } from './services.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const READY_MS = 5000
/** npm passes on a Ctrl-C that the terminal has already sent to us; it must not count as a second one. */
const SAME_CTRL_C_MS = 500

// Output that cannot be written (a full disk, a closed pipe) is lost. It must not end the process.
for (const out of [process.stdout, process.stderr]) out.on('error', () => {})

const env = environment()
const port = Number(env.PORT || 3000)
const host = env.HOST || LOOPBACK
const say = (line: string): void => console.error(line)

const strange = process.argv.slice(2).find(argument => argument !== '--watch')
if (strange !== undefined)
  fail(`npm start does not know ${strange}: set variables instead, as PORT=4000 npm start. See README.md`)
if (!Number.isInteger(port) || port < 1 || port > 65535) fail(`PORT must be a number from 1 to 65535, not ${env.PORT}`)
if (!(await isFree(port, env.HOST)))
  fail(`Port ${port} is in use: stop the program that uses it, or choose another: PORT=${port + 1} npm start`)

const db = databaseFile(env.HOTCABLE_DB)
const languages = await present()
if (env.HOTCABLE_CABLE_URL && !env.ANYCABLE_SECRET)
  fail('ANYCABLE_SECRET is not set: set it to the secret of the cable at HOTCABLE_CABLE_URL')
const plan = services({
  port,
  host,
  languages,
  cable: env.HOTCABLE_CABLE_URL
    ? {
        url: env.HOTCABLE_CABLE_URL,
        broadcastUrl: env.ANYCABLE_HTTP_BROADCAST_URL || `${env.HOTCABLE_CABLE_URL}/_broadcast`,
      }
    : undefined,
  secret: env.ANYCABLE_SECRET || randomBytes(32).toString('hex'),
  db,
  ports: await freePorts(portsNeeded(languages)),
  watch: process.argv.includes('--watch'),
})
// Without the cable and web there is nothing to see; a Board may come later.
const core = plan.slice(0, env.HOTCABLE_CABLE_URL ? 1 : 2)
const web = core.at(-1)!
const ours = core.find(service => service !== web)
if (ours) {
  checkSettings(ours)
  await prepareDatabase()
}

const { onGroup } = createGuard()
const children: Child[] = []
let askedToStop: number | undefined
stopOnSignal()
for (const service of plan) if (service !== web) children.push(run(service))
process.on('SIGUSR2', () => {
  if (ours) children[0]!.outage()
})
if (ours) {
  // Before the cable answers, a page would fail to connect. After a while a page without a cable is better than none.
  await untilHealthy([ours.health], READY_MS)
}
if (askedToStop === undefined) children.push(run(web))

const late = await untilHealthy(
  plan.map(({ health }) => health),
  READY_MS,
)
for (const { title, health } of plan) if (late.includes(health)) say(`${title} does not answer yet`)
const needed = core.map(({ health }) => health)
while ((await untilHealthy(needed, READY_MS)).length > 0);
const url = `http://${isWildcard(host) || host === LOOPBACK ? 'localhost' : reachable(host)}:${port}`
announce(db, { pid: process.pid, url, ownsCable: ours !== undefined })
const reach = isLoopback(host) ? ' (only this machine can reach it; HOST=0.0.0.0 npm start lets phones in)' : ''
console.log(`Hotcable is live at ${url}${reach}`)
const lan = isWildcard(host) ? lanAddress() : undefined
if (lan !== undefined) console.log(`and for phones nearby at http://${lan}:${port}`)

function environment(): NodeJS.ProcessEnv {
  try {
    return withDotEnv(process.env, process.cwd()).env
  } catch (error) {
    fail((error as Error).message)
  }
}

function fail(line: string): never {
  say(line)
  process.exit(1)
}

/** The installed languages; a missing one is reported, and the others run. */
async function present(): Promise<NeighbourName[]> {
  const names = Object.keys(NEIGHBOURS) as NeighbourName[]
  const found = await Promise.all(names.map(name => NEIGHBOURS[name].isPresent()))
  names.forEach((name, at) => {
    if (!found[at]) say(missing(NEIGHBOURS[name]))
  })
  return names.filter((_, at) => found[at])
}

/** Checks the cable's settings before its start. Otherwise we would start it again and again with settings that it refuses. */
function checkSettings({ args, env: extra }: Service): void {
  try {
    readConfig(args.slice(args.indexOf('server/main.ts') + 1), { ...env, ...extra })
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) say(`The cable: ${problem}`)
    process.exit(1)
  }
}

/** Makes the table before the first process needs it. */
async function prepareDatabase(): Promise<void> {
  try {
    mkdirSync(dirname(db), { recursive: true })
    await (await openOutboxDatabase(outboxIn(db))).apply()
  } catch (error) {
    fail(`The Board cannot use its database: ${(error as Error).message}`)
  }
}

function run(service: Service): Child {
  const { title, command, args, env: extra, chatter, sources } = service
  const child = keepRunning({
    title,
    command,
    args,
    cwd: ROOT,
    env: { ...env, ...extra },
    onGroup,
    say,
    onLine: line => {
      if (!chatter?.test(line)) say(`${title.padEnd(10)} │ ${line}`)
    },
    onMisconfigured: () => {
      if (core.includes(service)) void end(1)
    },
  })
  if (sources) {
    onChange(
      sources.map(folder => join(ROOT, folder)),
      () => {
        say(`${title} starts again: its sources changed`)
        child.restart()
      },
    )
  }
  return child
}

function stopOnSignal(): void {
  const stop = () => {
    if (askedToStop === undefined) {
      askedToStop = performance.now()
      void end(0)
    } else if (performance.now() - askedToStop >= SAME_CTRL_C_MS) {
      for (const child of children) child.kill()
      process.exit(130)
    }
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
}

async function end(code: number): Promise<void> {
  await Promise.all(children.map(child => child.stop()))
  process.exit(code)
}
