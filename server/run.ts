/**
 * Runs a cable in this process: flags and environment in, a running cable out.
 *
 * SIGTERM and SIGINT stop it properly, with exit code 0; a second signal ends it at once.
 */
import { type Cable, createCable } from './cable.ts'
import type { Config } from './config/config.ts'
import { printConfigFile, readConfigFile } from './config/config-file.ts'
import { help } from './config/help.ts'
import { listenFailure } from './config/listen-failure.ts'
import { ConfigInvalid, readConfig, readValues } from './config/read.ts'
import type { Usual } from './config/settle.ts'
import { createLog } from './log.ts'
import { VERSION } from './version.ts'
import type { createClustered } from './workers/clustered.ts'
import { countOf } from './workers/count.ts'

export interface RunOptions {
  /** The command and its arguments, as --help names them. */
  usage: string
  /** Settings that are on without a flag or a variable. */
  usual?: Usual
  /** A paragraph of --help. */
  note?: string
  /** Where anycable.toml may be; by default the folder of this process. */
  folder?: string
  /** A line for the log, about where settings come from. */
  source?: string | undefined
}

/** Resolves with an exit code once the cable runs; the process then ends at a signal. A failure is a line on stderr. */
export async function runCable(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { usage, usual, note, source, folder = process.cwd() }: RunOptions,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(help(usage, note))
    return 0
  }
  if (argv.includes('--version') || argv.includes('-v')) {
    console.log(VERSION)
    return 0
  }
  const file = await readConfigFile(argv, folder)
  let config: Config
  try {
    if (file.isToPrint) {
      process.stdout.write(await printConfigFile(readValues(argv, env, usual, file.settings)))
      return 0
    }
    config = readConfig(argv, env, usual, file.settings)
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) console.error(`cable: ${problem}`)
    return 1
  }
  const sources = [source, file.path && `read settings from ${file.path}`]
  return await start(
    config,
    sources.filter(line => line !== undefined),
  )
}

async function start(config: Config, sources: readonly string[]): Promise<number> {
  const { settings } = config
  // Node and libraries write warnings to stderr. As with the log, a failed write must not end the cable.
  process.stderr.on('error', () => {})
  const log = createLog(settings.log_level, settings.log_format)
  const cable = countOf(settings.workers) === 1 ? createCable(config, { log }) : await createWorkers(config, { log })
  if (cable === undefined) return 0
  for (const source of sources) log.info(source)
  if (config.presets.length > 0) log.info({ presets: config.presets.join() }, 'presets are in force')
  for (const warning of config.warnings) log.warn(warning)
  // Handle signals before we log that the cable is up: a program that waits for that line may stop it at once.
  let stopping = false
  const stop = async () => {
    if (stopping) process.exit(0)
    stopping = true
    log.info({ timeout_s: settings.shutdown_timeout }, 'shutting down')
    await cable.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    await cable.listen()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === undefined ? message : listenFailure(config, error as NodeJS.ErrnoException)
    console.error(`cable: ${why}`)
    process.exit(1)
  }
  log.info({ pid: process.pid }, `clients connect to ${cable.url.cable}`)
  if (settings.broadcast_adapter.includes('http'))
    log.info(
      { authorization: config.broadcastKeys.length === 0 ? 'none' : 'required' },
      `backends broadcast to ${cable.url.broadcast}`,
    )
  if (cable.url.metrics !== undefined) log.info(`Prometheus reads metrics at ${cable.url.metrics}`)
  return 0
}

/** Most cables have one process, and need nothing of this. */
async function createWorkers(...args: Parameters<typeof createClustered>): Promise<Cable | undefined> {
  const clustered = await import('./workers/clustered.ts')
  return clustered.createClustered(...args)
}
