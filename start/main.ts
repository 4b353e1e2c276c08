/**
 * `npm start`: the cable and the Board in every language that is here, on one port, until Ctrl-C.
 *
 *   PORT HOST          where the Board is: 3000, every interface
 *   HOTCABLE_DB        its SQLite file: data/board.sqlite3
 *   ANYCABLE_SECRET    one secret for all; none: a random one that dies with us
 *   HOTCABLE_CABLE_URL, ANYCABLE_HTTP_BROADCAST_URL
 *                      a cable that is there already, with that secret, ours or anycable-go; and where it takes broadcasts
 *   SIGUSR2            the cable is killed and stays away for ten seconds: `npm run demo:outage`
 *   --watch            `npm run dev`: restarts node processes when their sources change
 */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { BOARDS, type BoardName, missing } from '../backends/toolchain.ts'
import { type Child, keepRunning } from './child.ts'
import { createGuard } from './guard.ts'
import { untilHealthy } from './health.ts'
import { freePorts, isFree, lanAddress } from './network.ts'
import { announce, databaseFile } from './running.ts'
import { portsNeeded, type Service, services } from './services.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const READY_MS = 5000
/** npm passes a Ctrl-C on that the terminal has sent to us already; that one is not a second. */
const SAME_CTRL_C_MS = 500

const { env } = process
const port = Number(env.PORT || 3000)
const host = env.HOST || undefined
const say = (line: string): void => console.error(line)

if (!Number.isInteger(port) || port < 1 || port > 65535) fail(`PORT must be a number from 1 to 65535, not ${env.PORT}`)
if (!(await isFree(port, host)))
  fail(`Port ${port} is in use: stop what uses it, or take another: PORT=${port + 1} npm start`)

const db = databaseFile(env.HOTCABLE_DB)
const languages = await present()
if (env.HOTCABLE_CABLE_URL && !env.ANYCABLE_SECRET)
  fail('ANYCABLE_SECRET is not set: the cable at HOTCABLE_CABLE_URL has one')
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
const { onGroup } = createGuard()
const children = plan.map(run)
stopOnSignal()
process.on('SIGUSR2', () => {
  if (!env.HOTCABLE_CABLE_URL) children[0]!.outage()
})

const late = await untilHealthy(
  plan.map(({ health }) => health),
  READY_MS,
)
for (const { title, health } of plan) if (late.includes(health)) say(`${title} does not answer yet`)
// A Board may come later; without the cable and web there is nothing to look at.
const core = plan.slice(0, env.HOTCABLE_CABLE_URL ? 1 : 2).map(({ health }) => health)
while ((await untilHealthy(core, READY_MS)).length > 0);
announce(db, { pid: process.pid, url: `http://localhost:${port}` })
console.log(`Hotcable is live at http://localhost:${port}`)
const lan = host === undefined ? lanAddress() : undefined
if (lan !== undefined) console.log(`and for phones nearby at http://${lan}:${port}`)

function fail(line: string): never {
  say(line)
  process.exit(1)
}

/** The languages that are here; those that are not are named, and the rest runs. */
async function present(): Promise<BoardName[]> {
  const names = Object.keys(BOARDS) as BoardName[]
  const found = await Promise.all(names.map(name => BOARDS[name].isPresent()))
  names.forEach((name, at) => {
    if (!found[at]) say(missing(BOARDS[name]))
  })
  return names.filter((_, at) => found[at])
}

function run({ title, command, args, env: extra, chatter }: Service): Child {
  return keepRunning({
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
  })
}

function stopOnSignal(): void {
  let asked: number | undefined
  const stop = async () => {
    if (asked !== undefined) {
      if (performance.now() - asked < SAME_CTRL_C_MS) return
      for (const child of children) child.kill()
      process.exit(130)
    }
    asked = performance.now()
    await Promise.all(children.map(child => child.stop()))
    process.exit(0)
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
}
