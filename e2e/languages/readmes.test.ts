/**
 * The Markdown files name only what exists: files, headings, npm scripts, parts of the tests, settings, metrics; every helper is in
 * both lists, and every folder of the server in its place.
 */
import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { PARTS } from '../tools/parts.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const PAGES = globSync('**/*.md', {
  exclude: ['node_modules', 'tmp', '**/node_modules', 'e2e/browser/recipes', 'eject/project'],
})
const FENCED = /^( *)```.*?^\1```$/gms
const found = (pages: readonly string[], pattern: RegExp) =>
  pages.flatMap(page => [...read(page).matchAll(pattern)].map(([, name]) => name!))

test('every npm script in a Markdown file exists', () => {
  const { scripts } = JSON.parse(read('package.json'))
  const named = found(PAGES, /npm run ([\w:]+)/g)

  assert.deepEqual(
    named.filter(name => !(name in scripts)),
    [],
  )
  assert.ok(named.length > 20)
})

test('every part in an `npm test` of a Markdown file exists', () => {
  const named = found(PAGES, /npm test -- ([a-z -]*[a-z])/g).flatMap(names => names.split(' '))

  assert.deepEqual(
    named.filter(name => !(name in PARTS) && name !== 'usual'),
    [],
  )
  assert.ok(named.length > 5)
})

test('every link in a Markdown file leads to a file, and to a heading of it', () => {
  const links = PAGES.flatMap(page =>
    [
      ...read(page)
        .replaceAll(FENCED, '')
        .matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g),
    ].map(([, path, heading]) => ({
      page,
      target: path ? join(dirname(page), path) : page,
      heading: heading!,
    })),
  )

  for (const { page, target, heading } of links) {
    assert.ok(existsSync(target), `${page}: ${target}`)
    if (heading) assert.ok(headings(target).includes(heading), `${page}: ${target}#${heading}`)
  }
  assert.ok(links.length > 150)
  assert.ok(PAGES.includes('bench/README.md') && PAGES.includes('docs/operating.md'))
})

test('every flag in docs/ is a setting or one of AnyCable, and a Markdown file starts a cable with settings alone', () => {
  const ROW = /^\| `--([\w-]+)` \|/gm
  const settings = found(['docs/operating.md'], ROW)
  const known = [...settings, ...found(['docs/anycable.md'], ROW)]
  const named = found(globSync('docs/*.md'), /`--([\w-]+)/g)
  const given = PAGES.flatMap(page =>
    [...read(page).matchAll(/npm run cable -- (?!outbox )(.*)/g)].map(([, flags]) => flags!),
  )
    .flatMap(flags => [...flags.matchAll(/--([\w-]+)/g)])
    .map(([, name]) => name!)

  assert.deepEqual(
    [...named.filter(name => !known.includes(name)), ...given.filter(name => !settings.includes(name))].filter(
      name => name !== 'help',
    ),
    [],
  )
  assert.ok(settings.length > 80)
})

test('docs/anycable.md starts anycable-go with the flags of the swap test', () => {
  const [, flags] = /^anycable-go (--.*)$/m.exec(read('docs/anycable.md'))!

  assert.deepEqual(flags!.split(' '), found(['e2e/tools/swap.ts'], /^ +'(--.*)',$/gm))
})

test('docs/architecture.md has every folder of the server, in the order that the linter enforces', () => {
  const [, section] = read('docs/architecture.md').split('### The folders of the server')
  const described = [...section!.matchAll(/^\| \[(\w+)\/\]/gm)].map(([, folder]) => folder!)
  const [, order] = /server\/\(\?:([a-z|]+)\)/.exec(read('lint/layers.grit'))!

  assert.deepEqual(described, order!.split('|'))
  const folders = readdirSync('server', { withFileTypes: true }).filter(entry => entry.isDirectory())
  assert.deepEqual(folders.map(({ name }) => name).sort(), [...described, 'test'].sort())
})

test('every part of the tests is in the table of tests', () => {
  const [, tests] = read('README.md').split('\n## Tests\n')
  for (const part of Object.keys(PARTS)) assert.ok(tests!.includes(`| \`${part}\``), part)
})

test('every helper is in the lists of languages', () => {
  const helpers = globSync('backends/*/hotcable.*')
  for (const helper of helpers) {
    assert.ok(read('README.md').includes(`(${helper})`), helper)
    assert.ok(read('backends/README.md').includes(`(${helper.replace('backends/', '')})`), helper)
  }
  assert.equal(helpers.length, 6)
})

/** The anchors of a page's headings, as GitHub names them: a repeated one gets a number. */
function headings(page: string): string[] {
  const times = new Map<string, number>()
  return [
    ...read(page)
      .replaceAll(FENCED, '')
      .matchAll(/^#+ (.+)$/gm),
  ].map(([, text]) => {
    const anchor = text!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    const before = times.get(anchor) ?? 0
    times.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}
