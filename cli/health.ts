/**
 * `hotcable health`: asks the cable with these settings whether it is alive. The image's HEALTHCHECK runs it without arguments.
 * It then takes the flags of process 1, the container's cable, because they may name another port.
 */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { Config } from '../server/config/config.ts'
import { readConfigFile } from '../server/config/config-file.ts'
import { withDotEnv } from '../server/config/dot-env.ts'
import { ConfigInvalid, readConfig } from '../server/config/read.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import type { Io } from './io.ts'

const TIMEOUT_MS = 3000

export const help = `Usage: hotcable health [settings]

Asks the cable with these settings at its --health-path. Exit code: 0 if it answers 200, else 1, with the reason.
Reads variables, .env and anycable.toml as \`hotcable cable\` does. In a container, without arguments, takes the flags of
the container's cable.
`

export async function run(args: string[], { env, cwd, stdout, stderr }: Io): Promise<number> {
  try {
    const given = args.length > 0 ? args : settingsIn(firstProcess())
    const { settings } = await readConfigFile(given, cwd)
    const url = urlOf(readConfig(given, withDotEnv(env, cwd).env, turboAndEvents, settings))
    const status = await statusOf(url)
    if (status !== 200) throw new Error(`${url} answers ${status}`)
    stdout.write('ok\n')
    return 0
  } catch (error) {
    const problems = error instanceof ConfigInvalid ? error.problems : [(error as Error).message]
    for (const problem of problems) stderr.write(`hotcable health: ${problem}\n`)
    return 1
  }
}

/** The settings in the command line of a process, as Linux has it: a 0 after each argument. */
export function settingsIn(commandLine: string): string[] {
  const words = commandLine.split('\0').slice(0, -1)
  const at = words.indexOf('cable')
  return at < 0 ? [] : words.slice(at + 1)
}

function firstProcess(): string {
  try {
    return readFileSync('/proc/1/cmdline', 'utf8')
  } catch {
    return '' // (not on Linux)
  }
}

function urlOf({ settings, host, tls }: Config): string {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${reachable}:${settings.port}${settings['health-path']}`
}

/** We do not check the certificate: it names the public host, and not this address. */
const statusOf = (url: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { get } = url.startsWith('https:') ? https : http
    get(url, {
      agent: false,
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    } as https.RequestOptions)
      .on('response', answer => resolve(answer.resume().statusCode))
      .on('error', ({ message }) => reject(new Error(`${url} does not answer: ${message}`)))
  })
