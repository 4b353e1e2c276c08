/** The surroundings of a command, so that a test can supply them; `process` fits, with its folder as `cwd`. */
import type { Readable } from 'node:stream'

export interface Io {
  readonly env: NodeJS.ProcessEnv
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  /** The folder in which the command was called. */
  readonly cwd: string
}

export interface Output {
  write: (text: string) => unknown
  readonly isTTY?: boolean
}

export interface Command {
  /** Returns the exit code. */
  run: (args: string[], io: Io) => number | Promise<number>
  /** Begins with the usage line, ends with a line break. */
  readonly help: string
}
