/** Calls a command in this process, for tests. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { TestContext } from 'node:test'
import { run } from './run.ts'

export interface Called {
  code: number
  stdout: string
  stderr: string
}

export interface Surroundings {
  env?: NodeJS.ProcessEnv
  /** The text on stdin. */
  input?: string
  cwd?: string
  isTTY?: boolean
}

export async function hotcable(argv: readonly string[], around: Surroundings = {}): Promise<Called> {
  const { env = {}, input = '', cwd = tmpdir(), isTTY = false } = around
  const written = { stdout: '', stderr: '' }
  const output = (name: keyof typeof written) => ({
    isTTY,
    write: (text: string) => {
      written[name] += text
    },
  })
  const stdin = Readable.from([Buffer.from(input)])
  const code = await run(argv, { env, stdin, stdout: output('stdout'), stderr: output('stderr'), cwd })
  return { code, ...written }
}

/** An empty folder, deleted after the test. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'hotcable-cli-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}
