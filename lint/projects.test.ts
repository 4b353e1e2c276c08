/** The TypeScript projects: `npm run typecheck` checks every file, and code for Node cannot use the types of a browser. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { test } from 'node:test'

const ROOT = resolve(import.meta.dirname, '..')
const TSC = resolve(ROOT, 'node_modules/typescript/bin/tsc')
const { scripts } = JSON.parse(readFileSync(resolve(ROOT, 'package.json'), 'utf8'))
const projects = scripts.typecheck.split(' && ').map((command: string) => command.replace('tsc -p ', '')) as string[]

/** Every file that a project loads, its libraries included. */
const filesOf = (project: string): string[] =>
  execFileSync(process.execPath, [TSC, '-p', project, '--listFilesOnly'], { cwd: ROOT, encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(file => relative(ROOT, file))

const loaded = new Map(projects.map(project => [project, filesOf(project)]))
const has = (project: string, name: string) => loaded.get(project)!.some(file => file.endsWith(`/${name}`))

test('code for Node cannot use the types of a browser', () => {
  // @ts-expect-error: `npm run typecheck` fails here as soon as `document` type-checks.
  assert.equal(typeof document, 'undefined')

  assert.deepEqual(
    projects.map(project => [project, has(project, 'lib.dom.d.ts')]),
    [
      ['.', false],
      ['client', true],
      ['web/client', true],
      ['e2e', true],
    ],
  )
})

test('the server is checked in the project without the types of a browser, and in no other', () => {
  const isServer = (file: string) => /^server\/.*\.ts$/.test(file)
  const tracked = trackedFiles().filter(isServer)

  assert.deepEqual(
    projects.map(project => [project, loaded.get(project)!.filter(isServer).length]),
    [
      ['.', tracked.length],
      ['client', 0],
      ['web/client', 0],
      ['e2e', 0],
    ],
  )
})

test('npm run typecheck checks every TypeScript file', () => {
  const checked = new Set([...loaded.values()].flat())

  assert.deepEqual(
    trackedFiles().filter(file => file.endsWith('.ts') && !checked.has(file)),
    [],
  )
})

/** Tracked files that exist, and new files that git does not ignore. */
function trackedFiles(): string[] {
  const list = (...options: string[]) =>
    execFileSync('git', ['ls-files', ...options], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n')
  const deleted = new Set(list('--deleted'))
  return list('--cached', '--others', '--exclude-standard').filter(file => !deleted.has(file))
}
