/** Programs made of the recipes in docs/outbox-recipes.md, and a client that reads what they broadcast. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { Tool } from '../../backends/harness/toolchain.ts'
import { turboStream } from '../../backends/typescript/hotcable.ts'
import { type RunningCable, startCable, withoutSettings } from '../../testing/cable.ts'
import { type Client, connect } from '../../testing/client.ts'

export interface Program {
  readonly needs: Tool & { readonly isExtra: boolean }
  /** The file with the blocks that name no other. */
  readonly file: string
  /** `from` is in backends/; `to` is a folder of the program. */
  readonly helper: { readonly from: string; readonly to?: string }
  /** Before the blocks, and after them. */
  readonly start: string
  readonly end: string
  readonly command: (folder: string) => Promise<readonly [string, ...string[]]>
  readonly env?: (folder: string) => NodeJS.ProcessEnv
}

const PAGE = readFileSync('docs/outbox-recipes.md', 'utf8')
const STREAM = JSON.stringify({ channel: '$pubsub', stream_name: 'cards' })

export const TITLES: readonly string[] = [...PAGE.matchAll(/^## (.+)$/gm)].map(([, title]) => title!)

export const sectionOf = (title: string): string => PAGE.split(`\n## ${title}\n`)[1]!.split('\n## ', 1)[0]!

/** In tmp, where the libraries of npm are found. */
export function makeFolder(): string {
  mkdirSync('tmp', { recursive: true })
  return mkdtempSync(resolve('tmp/outbox-recipes-'))
}

/** Makes the table in `database`, and starts a cable that reads it. */
export async function startOutboxCable(database: string): Promise<RunningCable> {
  await promisify(execFile)(process.execPath, ['cli/main.ts', 'outbox', '--apply', `--outbox=${database}`])
  return startCable(['--noauth', '--public_streams', '--broadcast_adapter=http,outbox', `--outbox=${database}`])
}

/** Writes the files of a recipe: its blocks, with what a test adds to them, and the helper. */
export function writeProgram(folder: string, title: string, { file, helper, start, end }: Program): void {
  const files = new Map([[file, start]])
  for (const [, code] of sectionOf(title).matchAll(/^```\w+\n(.*?)^```/gms)) {
    const at = /^# (\S+\.\w+)\n/.exec(code!)?.[1] ?? file
    files.set(at, `${files.get(at) ?? ''}${code}`)
  }
  files.set(file, files.get(file) + end)
  for (const [path, text] of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const to = join(folder, helper.to ?? '', basename(helper.from))
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(join('backends', helper.from), to)
}

/** Returns what the program prints. */
export async function runProgram(folder: string, { command, env }: Program, cards: readonly number[]): Promise<string> {
  const [file, ...args] = await command(folder)
  const { stdout } = await promisify(execFile)(file, [...args, ...cards.map(String)], {
    cwd: folder,
    env: { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ...env?.(folder), PYTHONDONTWRITEBYTECODE: '1' },
    timeout: 200_000,
  })
  return stdout
}

/** What a page gets for a vote. */
export const shown = (card: number, votes: number): string => turboStream('update', `votes_${card}`, `${votes}`)

export async function listen(t: TestContext, cable: RunningCable): Promise<Client> {
  const client = await connect(t, cable.url)
  assert.equal((await client.next()).type, 'welcome')
  await client.confirmed(STREAM)
  return client
}

/** All messages up to the last one. */
export async function messages(client: Client, last: string): Promise<unknown[]> {
  return (await client.until(({ message }) => message === last)).map(({ message }) => message)
}
