/**
 * `npm start`: the cable and the app, until Ctrl-C. `npm run dev` also starts the app again when its sources change.
 *
 *   PORT CABLE_PORT    where the app listens, 3000, and the cable, 8080; only this machine can reach them
 *   .env               ANYCABLE_… and HOTCABLE_… also count from this file; without an ANYCABLE_SECRET we make a random one
 */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { withDotEnv } from '../../../server/config/dot-env.ts'
import { onChange } from '../../../start/changes.ts'
import { type Child, type ChildOptions, keepRunning } from '../../../start/child.ts'
import { createGuard } from '../../../start/guard.ts'
import { untilHealthy } from '../../../start/health.ts'
import { isFree, LOOPBACK } from '../../../start/network.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** The command of the app, in the folder of the project. */
const APP: readonly [string, ...string[]] = ['node', 'app/app.ts']

process.chdir(ROOT)
const env = withDotEnv(process.env, ROOT).env
const port = Number(env.PORT || 3000)
const cablePort = Number(env.CABLE_PORT || 8080)
for (const [name, wanted] of Object.entries({ PORT: port, CABLE_PORT: cablePort })) {
  if (!Number.isInteger(wanted) || !(await isFree(wanted, LOOPBACK))) {
    console.error(`${name}=${env[name] || wanted} cannot be used: stop the program that has this port, or set ${name}`)
    process.exit(1)
  }
}

const shared = {
  ANYCABLE_SECRET: env.ANYCABLE_SECRET || randomBytes(32).toString('hex'),
  ANYCABLE_WEBSOCKET_URL: env.ANYCABLE_WEBSOCKET_URL || `ws://localhost:${cablePort}/cable`,
  ANYCABLE_HTTP_BROADCAST_URL: `http://${LOOPBACK}:${cablePort}/_broadcast`,
}
const CABLE = [
  '--disable-warning=ExperimentalWarning',
  '--max-semi-space-size=8',
  'server/main.ts',
  '--dev',
  `--port=${cablePort}`,
  '--turbo_streams',
  // The cable asks pages to refresh only while the app answers.
  `--heal_check=http://${LOOPBACK}:${port}/health`,
  '--log_level=warn',
]
const { onGroup } = createGuard()
const children: Child[] = []
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0))

run('cable', process.execPath, CABLE)
await untilHealthy([`http://${LOOPBACK}:${cablePort}/health`], 5_000)
const [command, ...args] = APP
const app = run('app', command === 'node' ? process.execPath : command, args)
if (process.argv.includes('--watch')) onChange(['app'], app.restart)
while ((await untilHealthy([`http://${LOOPBACK}:${port}/health`], 5_000)).length > 0)
  console.error('app does not answer yet')
console.log(`The app is live at http://localhost:${port}`)

function run(title: string, command: string, args: readonly string[]): Child {
  const options: ChildOptions = {
    title,
    command,
    args,
    cwd: ROOT,
    env: {
      ...env,
      ...shared,
      HOST: LOOPBACK,
      PORT: String(port),
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
    },
    onGroup,
    say: line => console.error(line),
    onLine: line => console.error(`${title.padEnd(5)} │ ${line}`),
    onMisconfigured: () => void end(1),
  }
  const child = keepRunning(options)
  children.push(child)
  return child
}

async function end(code: number): Promise<void> {
  await Promise.all(children.map(child => child.stop()))
  process.exit(code)
}
