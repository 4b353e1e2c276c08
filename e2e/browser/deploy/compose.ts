/** deploy/compose.yml in docker-compose, with a project, ports and secrets of the test. It builds the images. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { DOCKER, findCompose, missing } from '../../../backends/harness/toolchain.ts'
import { freePorts } from '../../../start/network.ts'
import { healthy } from '../../../testing/child.ts'
import { SECRET } from '../demo.ts'
import type { Deployment, DeploymentOptions, ServiceName } from './deployment.ts'

const FILE = resolve(import.meta.dirname, '../../../deploy/compose.yml')
const PROJECT = 'hotcable-deploy-test'
const SECRETS = [
  'ANYCABLE_SECRET',
  'HOTCABLE_JWT_PREVIOUS_SECRETS',
  'HOTCABLE_STREAMS_PREVIOUS_SECRETS',
  'HOTCABLE_BROADCAST_PREVIOUS_KEYS',
]
const run = promisify(execFile)

export async function startCompose({ isShared }: DeploymentOptions): Promise<Deployment> {
  const secrets = mkdtempSync(join(tmpdir(), 'hotcable-secrets-'))
  // The containers run as another user.
  for (const name of SECRETS)
    writeFileSync(join(secrets, name), name === 'ANYCABLE_SECRET' ? SECRET : '', { mode: 0o444 })
  const [https, http] = (await freePorts(2)) as [number, number]
  const env = {
    ...process.env,
    ...{ SECRETS: secrets, HTTPS_PORT: String(https), HTTP_PORT: String(http), ORIGINS: `localhost:${https}` },
    ...(isShared ? { BROKER: 'redis', CABLES: 'cable:8080 cable-2:8080' } : {}),
  }
  const options = ['-f', FILE, '-p', PROJECT, ...(isShared ? ['--profile', 'redis'] : [])]
  const [command, ...words] = (await findCompose()) ?? []
  if (command === undefined) throw new Error(missing(DOCKER))
  const compose = async (...args: string[]): Promise<string> => {
    const { stdout } = await run(command, [...words, ...options, ...args], { env, maxBuffer: 64 << 20 })
    return stdout
  }
  const close = async () => {
    await compose('down', '-v', '--remove-orphans', '-t', '5')
    rmSync(secrets, { recursive: true })
  }
  const isHealthy = async (service: ServiceName) => {
    const id = (await compose('ps', '-q', service)).trim()
    const { stdout } = await run('docker', ['inspect', '-f', '{{.State.Health.Status}}', id])
    return stdout.trim() === 'healthy'
  }
  const start = async (service: ServiceName) => {
    await compose('up', '-d', '--no-deps', service)
    while (!(await isHealthy(service))) await new Promise(resolve => setTimeout(resolve, 200))
  }
  try {
    await compose('build')
    await compose('up', '-d')
    await healthy(`https://localhost:${https}/health`)
    await Promise.all((isShared ? (['web', 'cable', 'cable-2'] as const) : (['web', 'cable'] as const)).map(start))
  } catch (error) {
    console.error(await compose('logs', '--tail', '30').catch(String))
    await close()
    throw error
  }
  return {
    origin: `https://localhost:${https}`,
    languages: ['typescript', 'python', 'php', 'ruby'],
    ca: () => compose('exec', '-T', 'caddy', 'cat', '/data/caddy/pki/authorities/local/root.crt'),
    async shell(commands, folder) {
      const mine = commands.replaceAll(
        'docker compose -f deploy/compose.yml',
        [command, ...words, ...options].join(' '),
      )
      await run('sh', ['-e', '-c', mine], { cwd: folder, env })
    },
    stop: async (service, how) => void (await compose(how ?? 'stop', service)),
    ...{ start, close },
  }
}
