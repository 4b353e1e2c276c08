/**
 * The C programs, and socket.io: made in the ignored folder, kept there.
 */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'

export const SCRATCH = 'tmp/bench'

/** The program; `undefined` without a compiler. */
export function compile(name: 'generator' | 'limit'): string | undefined {
  const [source, binary] = [`server/bench/${name}.c`, `${SCRATCH}/${name}`]
  mkdirSync(SCRATCH, { recursive: true })
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return binary
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-o', binary, source], { encoding: 'utf8' })
  if (error !== undefined) return undefined
  if (status !== 0) throw new Error(`cc ${source}:\n${stderr}`)
  return binary
}

/** Where socket.io is; `undefined` where npm cannot install it. */
export function installSocketIo(): string | undefined {
  const folder = resolve(SCRATCH, 'socket.io')
  mkdirSync(folder, { recursive: true })
  if (!existsSync(`${folder}/node_modules/socket.io`)) {
    writeFileSync(`${folder}/package.json`, '{"private":true}\n')
    spawnSync('npm', ['install', '--prefix', folder, '--no-save', 'socket.io@4.8'], { stdio: 'ignore', timeout: 60_000 })
  }
  return existsSync(`${folder}/node_modules/socket.io`) ? folder : undefined
}
