/**
 * Builds the C programs and installs socket.io, in a folder that git ignores and later runs use again.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

export const SCRATCH = 'tmp/bench'

const PROGRAMS = {
  generator: ['generator.c', 'clients.c', 'backend.c', 'common.c', 'generator.h'],
  limit: ['limit.c'],
}

/** Returns the path of the program; `undefined` without a compiler. */
export function compile(name: keyof typeof PROGRAMS): string | undefined {
  const sources = PROGRAMS[name].map(file => `bench/native/${file}`)
  const binary = `${SCRATCH}/${name}`
  mkdirSync(SCRATCH, { recursive: true })
  const built = existsSync(binary) ? statSync(binary).mtimeMs : 0
  if (sources.every(source => statSync(source).mtimeMs < built)) return binary
  const { error, status, stderr } = spawnSync(
    'cc',
    ['-O2', '-o', binary, ...sources.filter(source => source.endsWith('.c'))],
    { encoding: 'utf8' },
  )
  if (error !== undefined) return undefined
  if (status !== 0) throw new Error(`cc ${name}:\n${stderr}`)
  return binary
}

const SOCKET_IO = ['socket.io', 'socket.io-client']

/** Returns the folder of socket.io and its client; `undefined` if npm cannot install it. */
export function installSocketIo(): string | undefined {
  const folder = resolve(SCRATCH, 'socket.io')
  mkdirSync(folder, { recursive: true })
  const isInstalled = () => SOCKET_IO.every(name => existsSync(`${folder}/node_modules/${name}`))
  if (!isInstalled()) {
    writeFileSync(`${folder}/package.json`, '{"private":true}\n')
    spawnSync('npm', ['install', '--prefix', folder, '--no-save', ...SOCKET_IO.map(name => `${name}@4.8`)], {
      stdio: 'ignore',
      timeout: 60_000,
    })
  }
  return isInstalled() ? folder : undefined
}
