/** `npm run eject`: makes this clone your project: the cable, one language, a page that is live. docs/make-it-yours.md */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { readOptions } from '../start/options.ts'
import { LANGUAGES, type LanguageName } from './languages.ts'
import { lock, ROOT, updateProject, writeProject } from './project.ts'

const NAMES = Object.keys(LANGUAGES).join(', ')
const USAGE = `Usage: npm run eject
       npm run eject -- --language=python --into=FOLDER
       npm run eject -- --update --into=FOLDER

Makes this clone your project: the cable, one language, a page that is live. Asks for the language and whether it may
replace the files of this clone, unless you say so:

  --language=LANGUAGE  ${NAMES}
  --into=FOLDER        write the project there, and leave this clone as it is
  --name=NAME          the name of the project; by default that of the folder
  --yes                do not ask whether to replace the files
  --update             replace server/, client/ and the helper of the project in FOLDER by those of this clone`

const [text, flag] = [{ type: 'string' }, { type: 'boolean' }] as const
const given = readOptions(USAGE, { language: text, name: text, into: text, yes: flag, update: flag })
const into = given.into === undefined ? undefined : resolve(given.into)

if (given.update) {
  if (into === undefined) fail('--update needs --into=<the folder of your project>')
  const why = whyUnsaved(into)
  if (why !== undefined)
    fail(
      `${into} ${why}. An update replaces files: commit them all first, then git shows what it changes, and can undo it`,
    )
  const changed = updateProject(into)
  lock(into)
  console.log(`${into} has server/, client/ and the helper of this clone.`)
  if (changed.length > 0) console.log(`New in package.json: ${changed.join(', ')}.`)
  console.log('Now read "What to change" in CHANGELOG.md of this clone, and run npm install and npm run check there.')
} else {
  const language = languageOf(given.language ?? (await ask(`Which language has your app (${NAMES})? `)))
  const name = (given.name ?? basename(into ?? ROOT)).toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-')
  if (!/^[a-z0-9]/.test(name)) fail('--name needs a letter or digit first')
  if (into === undefined) await replaceClone(name, language)
  else writeInto(into, name, language)
}

function writeInto(folder: string, name: string, language: LanguageName): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) fail(`${folder} is not empty`)
  writeProject(folder, name, language)
  lock(folder)
  console.log(`${folder} has the project. Next: cd there, git init, npm install, npm start`)
}

/** Deletes only files that git keeps. */
async function replaceClone(name: string, language: LanguageName): Promise<void> {
  const why = whyUnsaved(ROOT)
  if (why !== undefined)
    fail(
      `this clone ${why}. The project replaces its files: commit what you want to keep, or leave the clone as it is with --into=FOLDER`,
    )
  const question = `Replace all ${tracked().length} files of git in ${ROOT} by ${name}, in ${LANGUAGES[language].title}? [y/N] `
  if (!given.yes && !/^y/i.test(await ask(question))) fail('nothing is changed')
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-eject-'))
  writeProject(folder, name, language)
  lock(folder)
  const files = tracked()
  for (const file of files) rmSync(join(ROOT, file), { force: true })
  const folders = new Set(files.flatMap(foldersAbove))
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) removeEmpty(join(ROOT, folder))
  cpSync(folder, ROOT, { recursive: true })
  rmSync(folder, { recursive: true })
  console.log('Done. Next: npm install, npm start, and git add -A && git commit')
}

function tracked(): string[] {
  return git(ROOT, 'ls-files', '-z').split('\0').filter(Boolean)
}

/** Why git could not bring back a file of the folder; `undefined`: it could bring back all of them. */
function whyUnsaved(folder: string): string | undefined {
  try {
    // (An outer repository may ignore the folder: then its status is empty.)
    git(folder, 'ls-files', '--error-unmatch', 'server/version.ts')
  } catch {
    return 'is not in git'
  }
  const isCommitted = git(folder, 'status', '--porcelain') === ''
  return isCommitted ? undefined : 'has changes that are not committed (git status lists them)'
}

function git(folder: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

function foldersAbove(file: string): string[] {
  const folder = dirname(file)
  return folder === '.' ? [] : [folder, ...foldersAbove(folder)]
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // It has files that git does not know.
  }
}

function languageOf(text: string): LanguageName {
  const name = text.trim().toLowerCase()
  return Object.hasOwn(LANGUAGES, name) ? (name as LanguageName) : fail(`--language is one of ${NAMES}`)
}

async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY) fail(`no terminal: give --language=${NAMES.replaceAll(', ', '|')} and --yes`)
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(question)
  terminal.close()
  return answer
}

function fail(line: string): never {
  console.error(`eject: ${line}`)
  process.exit(1)
}
