/** What a clone begins with: pages for contributors, workflows and forms name only what exists. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { NIGHTLY, PARTS } from '../tools/parts.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const { scripts, version } = JSON.parse(read('package.json'))
const WORKFLOWS = globSync('.github/workflows/*.yml')

for (const [page, most] of [
  ['AGENTS.md', 3],
  ['CONTRIBUTING.md', 45],
  ['SECURITY.md', 0],
] as const)
  test(`every path and command in ${page} exists`, () => {
    const code = [...read(page).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!)
    const paths = [
      ...code.filter(text => /^\.?\w[\w.-]*\/[\w./-]*$|^\w[\w-]*\.(?:md|ts|json|yml)$/.test(text)),
      ...[...read(page).matchAll(/node --test (\S+)/g)].map(([, file]) => file!),
    ]
    const commands = [...read(page).matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name!)

    assert.deepEqual(
      paths.filter(path => !existsSync(path)),
      [],
    )
    assert.deepEqual(
      commands.filter(name => !(name in scripts)),
      [],
    )
    assert.ok(paths.length >= most, `${paths.length} paths`)
  })

test('CONTRIBUTING.md says which files to touch for each kind of change', () => {
  const titles = [...read('CONTRIBUTING.md').matchAll(/^## (.+)$/gm)].map(([, title]) => title)

  assert.deepEqual(titles, [
    'A setting',
    'A refusal',
    'A channel',
    'A language',
    'A feature of the Board',
    'A broker',
    'A release',
  ])
})

test('CHANGELOG.md says what to change, in each version', () => {
  const [, ...versions] = read('CHANGELOG.md').split(/^## /m)

  assert.match(versions[0]!, new RegExp(`^(?:Unreleased|${version.replaceAll('.', '\\.')})\\n`))
  for (const text of versions) assert.match(text, /^### What to change$/m)
})

test('workflows use actions of a commit, and say of which version', () => {
  const used = WORKFLOWS.flatMap(file => [...read(file).matchAll(/uses: (.*)/g)].map(([, action]) => action!))

  for (const action of used) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  assert.ok(used.length >= WORKFLOWS.length)
})

test('workflows run commands that exist, and may only read the repository', () => {
  for (const file of WORKFLOWS) {
    const text = read(file)
    const commands = [...text.matchAll(/run: npm (?:run )?([\w:]+)/g)].map(([, name]) => name!)
    assert.deepEqual(
      commands.filter(name => !(name in scripts) && name !== 'ci'),
      [],
    )
    for (const [, program] of text.matchAll(/run: (\.\S+)/g)) assert.ok(existsSync(program!), program)
    assert.match(text, /^permissions: \{ contents: read \}$/m)
  }
})

test('the nightly workflow and the README have the parts of npm run test:nightly', () => {
  const parts = /part: \[(.*)\]/.exec(read('.github/workflows/nightly.yml'))![1]!.split(', ')
  const row = /^\| `npm run test:nightly` \| the parts (.*?):/m.exec(read('README.md'))![1]!

  assert.deepEqual([...parts].sort(), [...NIGHTLY].sort())
  assert.deepEqual([...row.matchAll(/`([\w-]+)`/g)].map(([, part]) => part!).sort(), [...NIGHTLY].sort())
})

test('the nightly workflow installs what its parts need', () => {
  const [, setup] = /run: npm run setup -- (.*)/.exec(read('.github/workflows/nightly.yml'))!
  const needed = NIGHTLY.flatMap(part => PARTS[part]!.steps.flatMap(({ needs = [] }) => needs))
  const options = needed.flatMap(({ option }) => option ?? [])

  for (const option of options) assert.ok(setup!.split(' ').includes(option), option)
  assert.ok(options.includes('--reference'))
})

test('workflows, forms and the dev container can be parsed', { skip: hasYaml() ? false : 'needs Ruby' }, () => {
  const files = [...WORKFLOWS, ...globSync('.github/*.yml'), ...globSync('.github/ISSUE_TEMPLATE/*.yml')]
  const parse = 'puts JSON.generate(ARGV.map { |file| YAML.safe_load(File.read(file), aliases: true) })'
  const parsed = JSON.parse(execFileSync('ruby', ['-ryaml', '-rjson', '-e', parse, ...files], { encoding: 'utf8' }))

  for (const [at, file] of files.entries()) {
    if (file.includes('workflows')) assert.deepEqual(Object.keys(parsed[at].jobs).length, 1, file)
    if (/(?:fault|wish)\.yml$/.test(file)) assert.ok(parsed[at].body.length >= 3, file)
  }
  const container = JSON.parse(read('.devcontainer/devcontainer.json').replaceAll(/^ *\/\/.*$/gm, ''))
  assert.match(read('.github/workflows/check.yml'), new RegExp(`container: ${container.image}$`, 'm'))
})

function hasYaml(): boolean {
  try {
    return execFileSync('ruby', ['-ryaml', '-e', 'print 1'], { encoding: 'utf8' }) === '1'
  } catch {
    return false
  }
}
