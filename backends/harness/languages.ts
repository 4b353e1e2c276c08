/**
 * The rows of languages.json, ready to use: how to start each Board, how to ask each helper, and what each needs.
 *
 * A row without `board` has only a helper; one without `adapter` has only a Board. Commands run in the project's folder.
 * In them `node` is the Node that runs this, `{host}` and `{port}` are the Board's address, and `{program}` is the result of
 * `build`. An `extra` is not available on every machine, so nothing fails without it.
 */
import { fileURLToPath } from 'node:url'
import LIST from '../languages.json' with { type: 'json' }
import { probe, type Tool, type ToolCommand } from './toolchain.ts'

interface LanguageRow {
  readonly title: string
  /** CSS custom properties of its pages; without them it has the default accent. */
  readonly colours?: Readonly<Record<string, string>>
  readonly extra?: boolean
  readonly needs: string
  /** Debian's packages. */
  readonly packages: readonly string[]
  /** Exits 0 if the interpreter and every library that the Board needs are here. */
  readonly probe: Words
  readonly build?: Words
  /** Answers questions about the helper, a JSON line each: README.md, "The line protocol". */
  readonly adapter?: Words
  /** The helper's own tests, unless Node's tests include them. */
  readonly check?: Words
  readonly board?: {
    /** Its default port. */
    readonly port: number
    readonly command: Words
    readonly env?: Readonly<Record<string, string>>
    /** Folders of files that it reads only when it starts. */
    readonly sources?: readonly string[]
    /** Lines of its log that do not matter: one for each request, greetings. */
    readonly chatter?: string
  }
}

/** Where the commands run. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

type Words = readonly string[]
type List = typeof LIST
type Having<Key extends keyof LanguageRow> = {
  [Name in keyof List]: Key extends keyof List[Name] ? Name : never
}[keyof List]

export interface Language extends Tool, Pick<LanguageRow, 'build' | 'adapter' | 'check'> {
  readonly name: string
  readonly isExtra: boolean
}

export interface BoardLanguage extends Language {
  /** Starts it, from the project's folder. */
  readonly board: (host: string, port: number) => ToolCommand
  readonly sources: readonly string[] | undefined
  readonly chatter: RegExp | undefined
}

/** All rows, in the order of the links. */
export const LANGUAGES = mapped(LIST, language) as Readonly<Record<keyof List, Language>>

/** Rows with a Board. */
export type BoardName = Having<'board'>
export const BOARDS = mapped(having('board'), board) as Readonly<Record<BoardName, BoardLanguage>>

/** The Boards behind the one in TypeScript, which is the origin of all. */
export type NeighbourName = Exclude<BoardName, 'typescript'>
const { typescript: _, ...neighbours } = BOARDS
export const NEIGHBOURS: Readonly<Record<NeighbourName, BoardLanguage>> = neighbours

/** The words of a command, with `words` in place of `{name}`. */
export function filled([command = '', ...args]: Words, words: Readonly<Record<string, string>> = {}): ToolCommand {
  const fill = (word: string) => word.replaceAll(/\{(\w+)\}/g, (braced, name: string) => words[name] ?? braced)
  return { command: command === 'node' ? process.execPath : fill(command), args: args.map(fill) }
}

function mapped<To>(
  rows: Readonly<Record<string, LanguageRow>>,
  to: (name: string, row: LanguageRow) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, to(name, row)]))
}

function having(key: keyof LanguageRow): Record<string, LanguageRow> {
  return Object.fromEntries(Object.entries<LanguageRow>(LIST).filter(([, row]) => key in row))
}

function language(name: string, { extra = false, probe: words, ...row }: LanguageRow): Language {
  const { command, args } = filled(words)
  return { ...row, name, isExtra: extra, isPresent: () => probe(command, args, ROOT) }
}

function board(name: string, row: LanguageRow): BoardLanguage {
  const { command, env, sources, chatter } = row.board!
  return {
    ...language(name, row),
    ...{ sources, chatter: chatter === undefined ? undefined : new RegExp(chatter) },
    board: (host, port) => ({
      ...filled(command, { host, port: String(port) }),
      env: { ...env, HOST: host, PORT: String(port) },
    }),
  }
}
