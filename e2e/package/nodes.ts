/** The versions of Node that the package must run on, if they are installed: `npm run setup -- --runtimes` installs them. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

export interface Runtime {
  /** As `v22.23.3`. */
  readonly version: string
  readonly program: string
}

/** The folder into which `npm run setup -- --runtimes` puts a major version. */
export const runtimeFolder = (major: number): string => `tmp/node-${major}`

export const runtime = (major: number): string => resolve(runtimeFolder(major), 'node_modules/node/bin/node')

export const MAJORS = [20, 22] as const

/** As `v22.23.3`; `undefined` if it is not here. */
export const versionOf = (program: string): string | undefined =>
  existsSync(program) ? execFileSync(program, ['--version'], { encoding: 'utf8' }).trim() : undefined

/** The last one is the Node that runs this. */
export const runtimes = (): Runtime[] =>
  [...MAJORS.map(runtime), process.execPath].flatMap(program => {
    const version = versionOf(program)
    return version === undefined ? [] : [{ version, program }]
  })
