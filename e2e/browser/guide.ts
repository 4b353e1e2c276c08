/**
 * docs/existing-app.md as data: its commands, and the lines that it adds to the files of each app.
 *
 *   `app.py`            the file
 *   ```diff
 *    a line that is there, and stays
 *   +a line to add
 *   -a line to remove
 *   @@                  the next place in the same file
 *   ```
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PATH = 'docs/existing-app.md'
const TEXT = readFileSync(PATH, 'utf8')

export interface Edit {
  readonly file: string
  readonly before: string
  readonly after: string
  readonly added: readonly string[]
}

export const COMMANDS: readonly string[] = commandsOf('Three commands')

/** Each broadcasts a refresh, with one language's helper. */
export const CONSOLES: readonly string[] = commandsOf('Jobs and consoles')

/** The sections that add lines. */
export const APPS: readonly string[] = TEXT.split('\n## ')
  .filter(section => section.includes('\n```diff\n'))
  .map(section => section.split('\n', 1)[0]!)

export const editsOf = (app: string): Edit[] => editsIn(section(app))

export function editsIn(text: string): Edit[] {
  const blocks = [...text.matchAll(/^`(\S+)`\n\n```diff\n(.*?)^```/gms)]
  return blocks.flatMap(([, file, block]) => block!.split('@@\n').map(lines => edit(file!, lines)))
}

/** What `section` says about a command, such as `helper go > hotcable/hotcable.go`. */
export const helperOf = (app: string): string | undefined => /`helper (\w+ > \S+)`/.exec(section(app))?.[1]

/** Fails unless the lines of the place are there once. */
export function apply({ file, before, after }: Edit, folder: string): void {
  const path = join(folder, file)
  const parts = `\n${readFileSync(path, 'utf8')}`.split(`\n${before}`)
  if (parts.length !== 2) throw new Error(`${parts.length - 1} places in ${file} have these lines:\n${before}`)
  writeFileSync(path, parts.join(`\n${after}`).slice(1))
}

/** The block of commands, without their comments. */
function commandsOf(title: string): string[] {
  const [, block] = /^```sh\n(.*?)^```/ms.exec(section(title))!
  return block!
    .trim()
    .split('\n')
    .map(line => line.replace(/ +#.*/, ''))
}

function edit(file: string, block: string): Edit {
  const lines = block.split('\n').slice(0, -1)
  const having = (signs: string) =>
    lines.filter(line => signs.includes(line[0] ?? ' ')).map(line => `${line.slice(1)}\n`)
  const added = having('+').map(line => line.trim())
  return { file, before: having(' -').join(''), after: having(' +').join(''), added }
}

function section(name: string): string {
  const [, text] = TEXT.split(`\n## ${name}\n`)
  if (text === undefined) throw new Error(`${PATH} has no section ${name}`)
  return text.split('\n## ', 1)[0]!
}
