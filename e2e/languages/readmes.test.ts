/** The READMEs point at what is there: scripts, files, headings; and every helper is in both lists. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { PARTS } from '../tools/parts.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const PAGES = globSync('{*.md,{backends,server,web,start,e2e}/**/*.md}')

test('every npm script that a README names exists', () => {
  const { scripts } = JSON.parse(read('package.json'))
  const named = PAGES.flatMap(page => [...read(page).matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!))
  assert.deepEqual(
    named.filter(name => !(name in scripts)),
    [],
  )
  assert.ok(named.length > 20)
})

test('every link in a README leads to a file, and to a heading of it', () => {
  const links = PAGES.flatMap(page =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)].map(([, path, heading]) => ({
      page,
      target: path ? join(dirname(page), path) : page,
      heading: heading!,
    })),
  )
  for (const { page, target, heading } of links) {
    assert.ok(existsSync(target), `${page}: ${target}`)
    if (heading) assert.ok(headings(target).includes(heading), `${page}: ${target}#${heading}`)
  }
  assert.ok(links.length > 50)
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
  assert.equal(helpers.length, 5)
})

/** As GitHub names them. */
function headings(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    text!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
