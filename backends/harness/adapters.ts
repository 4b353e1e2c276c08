/**
 * The programs that answer questions about each helper, a JSON line each: ONE table, for the checks that are the same in
 * every language. What they are asked is in README.md, "The line protocol".
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GO, LANGUAGES, missing, type Tool } from './toolchain.ts'

export interface Adapter {
  /** One line, when it cannot run here. */
  readonly absent: string | undefined
  /** What to start; builds it first where the language wants that. */
  readonly command: () => readonly [command: string, ...args: string[]]
}

const here = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

export const ADAPTERS: Readonly<Record<string, Adapter>> = {
  typescript: { absent: undefined, command: () => [process.execPath, here('typescript/adapter.ts')] },
  python: { absent: await absent(LANGUAGES.python), command: () => ['python3', here('python/adapter.py')] },
  php: { absent: await absent(LANGUAGES.php), command: () => ['php', here('php/adapter.php')] },
  ruby: { absent: await absent(LANGUAGES.ruby), command: () => ['ruby', here('ruby/adapter.rb')] },
  go: { absent: await absent(GO), command: () => [built()] },
}

async function absent(tool: Tool): Promise<string | undefined> {
  return (await tool.isPresent()) ? undefined : missing(tool)
}

let program: string | undefined

/** Not `go run`, which links anew at every start. */
function built(): string {
  if (program === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'hotcable-go-'))
    process.once('exit', () => rmSync(folder, { recursive: true }))
    program = join(folder, 'adapter')
    execFileSync('go', ['build', '-o', program, './adapter'], { cwd: here('go'), stdio: 'inherit' })
  }
  return program
}
