/**
 * The programs that answer questions about each helper, a JSON line each, for the checks that are the same in every
 * language. README.md, "The line protocol", lists the questions.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filled, LANGUAGES, type Language, ROOT } from './languages.ts'
import { missing } from './toolchain.ts'

export interface Adapter {
  /** One line that says why it cannot run here. */
  readonly absent: string | undefined
  /** The command; builds the program first if the language needs that. */
  readonly command: () => readonly [command: string, ...args: string[]]
}

export const ADAPTERS: Readonly<Record<string, Adapter>> = Object.fromEntries(
  await Promise.all(
    Object.values<Language>(LANGUAGES)
      .filter(({ adapter }) => adapter !== undefined)
      .map(async language => [language.name, await adapterOf(language)] as const),
  ),
)

async function adapterOf(language: Language): Promise<Adapter> {
  const { adapter = [], build } = language
  let program: string | undefined
  return {
    absent: (await language.isPresent()) ? undefined : missing(language),
    command: () => {
      if (build !== undefined) program ??= built(build)
      const { command, args } = filled(adapter, { program: program ?? '' })
      return [command, ...args]
    },
  }
}

/** Not `go run`, which links the program at every start. */
function built(build: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-adapter-'))
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const program = join(folder, 'adapter')
  const { command, args } = filled(build, { program })
  execFileSync(command, args, { cwd: ROOT, stdio: 'inherit' })
  return program
}
