/**
 * The tests in docs/testing-your-app.md, extracted from the page: each passes with the app that it is for, and fails when that app
 * broadcasts something else.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { EXTRAS, LIBRARIES } from '../../backends/harness/libraries.ts'
import { missing, type Tool } from '../../backends/harness/toolchain.ts'
import { withoutSettings } from '../../testing/cable.ts'
import { apply, editsOf } from '../browser/guide.ts'

interface Tested {
  readonly needs: Tool
  readonly isExtra?: boolean
  /** Writes the app into a folder. */
  readonly app: (folder: string) => void
  /** The file that broadcasts. */
  readonly broadcasts: string
  /** The helper, and its place in the app. */
  readonly helper: readonly [from: string, to: string]
  /** The blocks of the section, in order. */
  readonly files: readonly string[]
  /** What precedes the first of them in its file. */
  readonly head?: string
  readonly command: () => Promise<readonly [string, ...string[]]>
}

const PAGE = readFileSync('docs/testing-your-app.md', 'utf8')
const sectionOf = (page: string, title: string): string => page.split(`\n## ${title}\n`)[1]!.split('\n## ', 1)[0]!
const blocksOf = (text: string): string[] => [...text.matchAll(/^```\w+\n(.*?)^```/gms)].map(([, block]) => block!)

/** An app that docs/existing-app.md made live. */
const guide = (name: string) => (folder: string) => {
  cpSync(join('e2e/browser/guide', name.toLowerCase()), folder, { recursive: true })
  for (const edit of editsOf(name)) apply(edit, folder)
}

/** The app of docs/after-commit.md. */
function cards(folder: string): void {
  const [settings, urls] = blocksOf(sectionOf(readFileSync('docs/after-commit.md', 'utf8'), 'In Django'))
  cpSync('e2e/browser/recipes/django', folder, { recursive: true })
  appendFileSync(join(folder, 'settings.py'), settings!)
  writeFileSync(join(folder, 'urls.py'), urls!)
}

const SECTIONS: Readonly<Record<string, Tested>> = {
  Python: {
    needs: LIBRARIES.flask,
    app: guide('Flask'),
    broadcasts: 'app.py',
    helper: ['python/hotcable.py', 'hotcable.py'],
    files: ['test_app.py'],
    command: async () => [(await LIBRARIES.flask.interpreter())!, '-m', 'unittest'],
  },
  Django: {
    needs: LIBRARIES.django,
    app: cards,
    broadcasts: 'urls.py',
    helper: ['python/hotcable.py', 'hotcable.py'],
    head: blocksOf(sectionOf(PAGE, 'Python'))[0]!.split('from app import')[0]!,
    files: ['test_cards.py'],
    command: async () => [(await LIBRARIES.django.interpreter())!, ...['-m', 'django', 'test', '--settings=settings']],
  },
  PHP: {
    needs: LANGUAGES.php,
    app: guide('PHP'),
    broadcasts: 'add.php',
    helper: ['php/hotcable.php', 'hotcable.php'],
    files: ['fake-cable.php', 'test.php'],
    command: async () => ['php', '-d', 'zend.assertions=1', 'test.php'],
  },
  'JavaScript, TypeScript': {
    needs: EXTRAS.express,
    isExtra: true,
    app: guide('Express'),
    broadcasts: 'app.js',
    helper: ['typescript/hotcable.js', 'hotcable.js'],
    files: ['app.test.js'],
    command: async () => [process.execPath, '--test'],
  },
  Ruby: {
    needs: LIBRARIES.sinatra,
    app: guide('Sinatra'),
    broadcasts: 'app.rb',
    helper: ['ruby/hotcable.rb', 'hotcable.rb'],
    files: ['app_test.rb'],
    command: async () => [(await LIBRARIES.sinatra.interpreter())!, 'app_test.rb'],
  },
  Go: {
    needs: LANGUAGES.go,
    app: guide('Go'),
    broadcasts: 'main.go',
    helper: ['go/hotcable.go', 'hotcable/hotcable.go'],
    files: ['main_test.go'],
    command: async () => ['go', 'test'],
  },
}

test('every language of the helpers has a section on testing', () => {
  const titles = [...PAGE.matchAll(/^## (.+)$/gm)].map(([, title]) => title)

  assert.deepEqual(titles.slice(0, -1), Object.keys(SECTIONS))
})

for (const [title, tested] of Object.entries(SECTIONS)) {
  test(`the test of docs/testing-your-app.md passes, and fails when the app broadcasts something else: ${title}`, async t => {
    if (!(await tested.needs.isPresent())) {
      console.error(`\n!!! ${missing(tested.needs)}\n`)
      assert.ok(tested.isExtra || process.env.CI !== 'true', `${tested.needs.title} is not installed`)
      return t.skip(`${tested.needs.title} is not installed`)
    }
    const folder = makeApp(t, title, tested)
    const [command, ...args] = await tested.command()
    const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_', 'NODE_TEST_'), PYTHONDONTWRITEBYTECODE: '1' }
    const run = () => promisify(execFile)(command, args, { cwd: folder, env, timeout: 120_000 })

    await run()

    for (const [right, wrong] of [
      [/(['"])append\1/, '$1prepend$1'],
      [/(?<=broadcast\()(['"])\w+\1/i, '$1other$1'],
    ] as const) {
      const path = join(folder, tested.broadcasts)
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, text.replace(right, wrong))
      assert.notEqual(readFileSync(path, 'utf8'), text)
      await assert.rejects(run(), { code: title === 'PHP' ? 255 : 1 })
      writeFileSync(path, text)
    }
  })
}

/** The app that the section tests, with the section's files; in tmp, where Express is. */
function makeApp(t: TestContext, title: string, { app, helper: [from, to], head = '', files }: Tested): string {
  mkdirSync('tmp', { recursive: true })
  const folder = mkdtempSync(resolve('tmp/testing-'))
  t.after(() => rmSync(folder, { recursive: true, maxRetries: 5 }))
  mkdirSync(join(folder, dirname(to)), { recursive: true })
  copyFileSync(join('backends', from), join(folder, to))
  app(folder)
  const blocks = blocksOf(sectionOf(PAGE, title))
  assert.equal(blocks.length, files.length)
  for (const [at, file] of files.entries()) writeFileSync(join(folder, file), `${at === 0 ? head : ''}${blocks[at]}`)
  return folder
}
