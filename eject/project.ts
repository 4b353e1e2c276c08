/**
 * A project with the cable, one language and a page, made from this clone.
 *
 *   server/ client/     the same files, without their tests
 *   start/              our files that keep processes running, and main.ts of project/
 *   app/                the folder of the language here, and its helper
 *   all else            project/, with the words of the language; package.json, biome.json and tsconfig.json from ours
 *
 * Nothing else goes along. `update` replaces server/, client/ and the helper, and leaves the rest to its owner.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { CABLE, importsOf, packagesOf, sourcesOf } from '../lint/imports.ts'
import { type EjectLanguage, LANGUAGES, type LanguageName } from './languages.ts'

export const ROOT = resolve(import.meta.dirname, '..')

/** Folders that `update` replaces. */
const THEIRS = ['server', 'client'] as const
const KEPT = [
  ...['changes', 'child', 'back-off', 'guard', 'health', 'network', 'watchdog'].map(name => `start/${name}.ts`),
  ...['LICENSE', 'tsconfig.base.json', '.npmrc', '.gitattributes'],
]
/** Names that would count in this clone. */
const RENAMED: Readonly<Record<string, string>> = {
  gitignore: '.gitignore',
  dockerignore: '.dockerignore',
  dockerfile: 'Dockerfile',
}
const SCRIPTS = {
  start: 'exec node -r ./server/config/preload.cjs start/main.ts',
  dev: 'exec node -r ./server/config/preload.cjs start/main.ts --watch',
  cable: 'exec node -r ./server/config/preload.cjs --max-semi-space-size=8 server/main.ts',
  test: "exec node --test 'test/*.test.ts'",
  typecheck: 'tsc -p . && tsc -p client',
  lint: 'biome check .',
  check: 'npm run typecheck && npm run lint && npm test',
  settings: 'exec node server/config/print.ts',
  client: 'exec node client/main.ts',
}
const TOOLS = ['@biomejs/biome', '@types/node', '@types/pg', '@types/ws', 'node', 'typescript']

interface Package {
  name: string
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  allowScripts: Record<string, boolean>
  [key: string]: unknown
}

/** `folder` is empty, or does not exist. */
export function writeProject(folder: string, name: string, language: LanguageName): void {
  const row = LANGUAGES[language]
  copyCable(folder, row)
  for (const file of KEPT) write(folder, file, readFileSync(join(ROOT, file)))
  for (const file of filesIn(`eject/${language}`)) {
    const to = file.replace(`eject/${language}/`, '')
    copyText(folder, file, `app/${RENAMED[to] ?? to}`, name, row)
  }
  for (const file of filesIn('eject/project')) {
    const to = file.replace('eject/project/', '')
    copyText(folder, file, RENAMED[to] ?? to, name, row)
  }
  writeJson(folder, 'package.json', packageOf(folder, name))
  writeJson(folder, 'biome.json', lintRules())
  writeJson(folder, 'tsconfig.json', typesOf())
  cpSync(join(ROOT, 'package-lock.json'), join(folder, 'package-lock.json'))
  printTables(folder)
  format(folder)
}

/** Returns the packages whose versions it changed. Throws an Error if `folder` has no such project. */
export function updateProject(folder: string): string[] {
  const row = Object.values<EjectLanguage>(LANGUAGES).find(({ helper }) => existsSync(join(folder, helper[1])))
  if (row === undefined || !existsSync(join(folder, 'server/version.ts')))
    throw new Error(`${folder} has no server/ and no helper of npm run eject`)
  const its = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package
  if (!its.dependencies || !its.devDependencies)
    throw new Error(`${folder}/package.json needs dependencies and devDependencies`)
  for (const theirs of THEIRS) rmSync(join(folder, theirs), { recursive: true, force: true })
  copyCable(folder, row)
  const ours = packageOf(folder, its.name)
  const changed: string[] = []
  for (const kind of ['dependencies', 'devDependencies'] as const)
    for (const [name, version] of Object.entries(ours[kind])) {
      if (its[kind][name] !== version) changed.push(`${name} ${version}`)
      its[kind][name] = version
    }
  writeJson(folder, 'package.json', its)
  printTables(folder)
  format(folder)
  return changed
}

/** Makes the lock file fit package.json: npm takes the versions that it has, and needs no network for them. */
export function lock(folder: string): void {
  const args = ['install', '--package-lock-only', '--ignore-scripts', '--prefer-offline']
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}

function copyCable(folder: string, { helper: [from, to] }: EjectLanguage): void {
  for (const theirs of THEIRS)
    for (const file of filesIn(theirs).filter(isOfCable)) write(folder, file, readFileSync(join(ROOT, file)))
  // The helper names backends/README.md, which the project does not get.
  write(folder, to, readFileSync(join(ROOT, from), 'utf8').replace('; backends/README.md has the rest', ''))
}

const isOfCable = (file: string): boolean => !/\.test\.ts$|^server\/(?:test\/|README\.md$)|^client\/built\//.test(file)

/** Files below a folder of this clone, relative to the clone; hidden ones as well. */
function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()
}

/** Fills in `{{words}}`, and drops a line whose word is empty. */
function copyText(folder: string, from: string, to: string, name: string, row: EjectLanguage): void {
  const words: Readonly<Record<string, string>> = {
    ...{ name, title: row.title, needs: row.needs, app: row.app, helper: row.helper[1] },
    ...{ packages: row.packages.join(' '), ignored: row.ignored ?? '' },
  }
  const text = readFileSync(join(ROOT, from), 'utf8')
    .replaceAll(/^.*\{\{(\w+)\}\}.*\n/gm, (line, word: string) => (words[word] === '' ? '' : line))
    .replaceAll(/\{\{(\w+)\}\}/g, (_, word: string) => words[word]!)
    .replace("['node', 'app/app.ts']", `[${row.command.map(word => `'${word}'`).join(', ')}]`)
  write(folder, to, to.endsWith('.ts') ? moveImports(text, from, to, row) : text)
}

/** Relative imports of a file that has another place in the project. */
function moveImports(text: string, from: string, to: string, { helper }: EjectLanguage): string {
  return text.replaceAll(/(from )'(\.[^']+)'/g, (_, before: string, specifier: string) => {
    const target = join(dirname(from), specifier)
    const moved = target === helper[0] ? helper[1] : target.replace(/^eject\/project\//, '')
    const path = relative(dirname(to), moved)
    return `${before}'${path.startsWith('.') ? path : `./${path}`}'`
  })
}

function packageOf(folder: string, name: string): Package {
  const ours = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Package
  const sources = [...sourcesOf(folder, CABLE), ...globSync(['start/*.ts', 'app/*.ts'], { cwd: folder })]
  const needed = packagesOf(importsOf(folder, sources))
  const pick = <Value>(from: Record<string, Value>, names: readonly string[]): Record<string, Value> =>
    Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)))
  return {
    ...{ name, version: '0.1.0', private: true, type: 'module', engines: ours.engines, scripts: SCRIPTS },
    dependencies: pick(ours.dependencies, needed),
    devDependencies: pick(ours.devDependencies, TOOLS),
    allowScripts: ours.allowScripts,
  }
}

/** Without server/ and client/: they passed the rules of this clone. */
function lintRules(): object {
  const { plugins: _, overrides: __, ...ours } = json('biome.json')
  const { noProcessEnv: ___, noDefaultExport: ____, ...style } = ours.linter.rules.style
  return {
    ...ours,
    files: { includes: ['**', '!package-lock.json', ...THEIRS.map(folder => `!${folder}`)] },
    linter: { rules: { ...ours.linter.rules, style } },
  }
}

function typesOf(): object {
  const ours = json('tsconfig.json')
  return { ...ours, exclude: ours.exclude.filter((path: string) => /^(?:node_modules|client)/.test(path)) }
}

/** JSON that may have lines of comments. */
const json = (file: string) => JSON.parse(readFileSync(join(ROOT, file), 'utf8').replaceAll(/^\s*\/\/.*$/gm, ''))

/** A word of the language may be too long for its line. */
function format(folder: string): void {
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome')
  execFileSync(process.execPath, [biome, 'format', '--write', '.'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** Into .env.example and docs/. */
function printTables(folder: string): void {
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(folder, 'server/config/print.ts')])
}

function writeJson(folder: string, file: string, value: object): void {
  write(folder, file, `${JSON.stringify(value, null, 2)}\n`)
}

function write(folder: string, file: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true })
  writeFileSync(join(folder, file), contents)
}
