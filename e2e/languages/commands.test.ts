/**
 * A test runs every command in a Markdown file, or its line, or the first line of its block, says "no test runs this". This test
 * runs the commands of a cable, with their flags and `--print-config`, and those with curl. For the others a table names the test.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startTurboCable } from '../../testing/cable.ts'

const read = (path: string) => readFileSync(path, 'utf8')
const PAGES = globSync('**/*.md', { exclude: ['node_modules', 'tmp', '**/node_modules', 'e2e/browser/recipes'] })
const SECRET = 'canary of the commands'

/** How a command begins, and the test that runs it: its file, and words of it. */
const RUNS: Readonly<Record<string, readonly [file: string, words: string]>> = {
  'npm ci ': ['.ci/run', 'npm ci'],
  'npm run setup ': ['.ci/run', 'npm run setup'],
  'npm run typecheck ': ['.ci/run', 'npm run typecheck'],
  'npm run lint ': ['.ci/run', 'npm run lint'],
  'npm test ': ['.ci/run', 'npm test'],
  'npm run test:unit ': ['.ci/run', 'npm test -- usual'],
  'npx node --test server/hub/hub.test.ts': ['e2e/tools/parts.ts', "'server/**/!("],
  '.ci/run': ['.ci/run', 'npm ci'],
  'npm start ': ['start/main.test.ts', 'the URL that npm start prints serves the Board'],
  'npm run helper ': ['backends/typescript/javascript.test.ts', 'backends/typescript/generate.ts'],
  'npm run vectors ': ['e2e/tools/parts.ts', 'backends/vectors/generate.ts'],
  'npm run settings ': ['server/config/help.test.ts', 'npm run settings'],
  'npm run eject ': ['e2e/eject/eject.test.ts', 'eject/main.ts'],
  'npm ci && npm run eject -- --update': ['e2e/eject/eject.test.ts', '--update'],
  'npm install && npm start': ['start/main.test.ts', 'the URL that npm start prints serves the Board'],
  'npm install && npm run setup && npm test': ['e2e/tools/test.ts', 'npm run setup installs it'],
  'HOTCABLE_CABLE_URL=http://127.0.0.1:8080 npm start': ['start/services.test.ts', 'uses a cable that already runs'],
  'npm run demo:outage': ['start/main.test.ts', 'an intended outage kills the cable'],
  "curl -d 'body=Hello from a terminal'": ['e2e/browser/board.spec.ts', "the README's curl changes every open page"],
  'npm run -s hotcable -- secret >> .env': ['cli/secret.test.ts', "hotcable(['secret']"],
  'npm run -s hotcable -- outbox --': ['cli/outbox.test.ts', "hotcable(['outbox', '--print-schema'"],
  'set -a; . ./.env; set +a': ['e2e/browser/guide.spec.ts', 'set -a; . ./.env; set +a'],
  'npm run package': ['e2e/package/installed.ts', 'pack/main.ts'],
  'npx ./hotcable-0.1.0.tgz cable': ['e2e/package/package.test.ts', "a client of the package's cable"],
  'npx hotcable': ['e2e/package/package.test.ts', 'every command of the package loads, and prints its help'],
  'npx --yes --package ~/hotcable/hotcable-0.1.0.tgz hotcable': ['e2e/browser/guide.spec.ts', 'COMMANDS'],
  'python3 -c': ['e2e/browser/guide.spec.ts', 'CONSOLES'],
  'php -r': ['e2e/browser/guide.spec.ts', 'CONSOLES'],
  'ruby -r': ['e2e/browser/guide.spec.ts', 'CONSOLES'],
  'node -e': ['e2e/browser/guide.spec.ts', 'CONSOLES'],
  'cp backends/': ['e2e/browser/recipes.spec.ts', "copyFileSync(join('backends'"],
  'mkdir your-app/hotcable && cp backends/go': ['e2e/browser/guide.spec.ts', 'helperOf'],
  'node --test backends/typescript/check.test.ts': ['e2e/tools/parts.ts', "'backends/**/*.test.ts'"],
  'python3 backends/python/check.py': ['backends/languages.json', '"backends/python/check.py"'],
  'php backends/php/check.php': ['backends/languages.json', '"backends/php/check.php"'],
  'ruby backends/ruby/check.rb': ['backends/languages.json', '"backends/ruby/check.rb"'],
  'cd backends/go && go test': ['backends/languages.json', 'cd backends/go && go test'],
  'npm run check:backend -- python3': ['backends/check/check.test.ts', 'the helper in $'],
  'npm run check:backend -- --timeout=30': ['backends/check/check.test.ts', '--timeout=30'],
  'ANYCABLE_SECRET=some-secret ruby backends/rails/chat.rb': ['e2e/languages/rails-chat.ts', 'chat.rb'],
  'npm run e2e ': ['e2e/tools/parts.ts', "project: 'board'"],
  'npm run e2e:swap': ['e2e/tools/parts.ts', "project: 'swap'"],
  'psql "$DATABASE_URL"': ['e2e/languages/outbox-recipes-postgres.test.ts', "sectionOf('psql')"],
  'redis-cli PUBLISH': ['server/broadcast/redis.test.ts', 'a broadcast by $'],
  'redis-cli XADD': ['server/broadcast/redis.test.ts', 'a broadcast by $'],
  "export HOTCABLE_OUTBOX='postgres:": ['cli/outbox.test.ts', 'HOTCABLE_OUTBOX'],
  'anycable-go --turbo_streams': [
    'e2e/languages/readmes.test.ts',
    'starts anycable-go with the flags of the swap test',
  ],
}

/** Pages, or sections of them, whose commands run in one test, all but those with Docker. */
const RUN_PAGES: Readonly<Record<string, readonly [file: string, words: string]>> = {
  'deploy/README.md': ['e2e/deploy/operating.test.ts', "commandsOf('deploy/README.md'"],
  'docs/operating.md#Upgrades': ['e2e/browser/deploy/one.spec.ts', "'## Upgrades'"],
  'docs/operating.md#A drill': ['e2e/deploy/operating.test.ts', 'the drill changes the secret'],
  'docs/from-action-cable.md': ['e2e/rails/from-action-cable.test.ts', 'its commands run'],
  'eject/project/AGENTS.md': ['e2e/eject/run.test.ts', 'checked by its types, linter and tests'],
  'eject/project/README.md': ['e2e/eject/run.test.ts', 'checked by its types, linter and tests'],
}

const CABLE = /^(?:(\w+=\S+) )?npm run (?:cable(?: -- )?|hotcable -- cable)(?! outbox)(.*)$/

const commands = PAGES.flatMap(page =>
  blocksOf(page).flatMap(({ section, block }) => commandsOf(block).map(line => ({ page, section, line }))),
)

test('every command in a Markdown file is run by a test, or says that it is not', () => {
  const isKnown = (line: string) =>
    /no test runs this/.test(line) || CABLE.test(line) || Object.keys(RUNS).some(start => `${line} `.startsWith(start))

  assert.deepEqual(
    commands.filter(
      ({ page, section, line }) =>
        !(page in RUN_PAGES || section in RUN_PAGES) && !isKnown(line) && !isRunHere(page, line),
    ),
    [],
  )
  assert.ok(commands.length > 60)
})

test('the test that a command has is there, and the command too', () => {
  for (const [start, [file, words]] of Object.entries(RUNS)) {
    assert.ok(read(file).includes(words), `${file}: ${words}`)
    assert.ok(
      commands.some(({ line }) => `${line} `.startsWith(start)),
      start,
    )
  }
  for (const [page, [file, words]] of Object.entries(RUN_PAGES)) {
    assert.ok(
      commands.some(command => [command.page, command.section].includes(page)),
      page,
    )
    assert.ok(read(file).includes(words), `${file}: ${words}`)
  }
})

test('every cable in a Markdown file starts with its flags', () => {
  const cables = new Set(commands.map(({ line }) => withoutComment(line)).filter(line => CABLE.test(line)))
  for (const line of cables) {
    const [, setting, flags] = CABLE.exec(line)!
    const isOfCli = line.includes('hotcable -- cable')
    const program = `node ${isOfCli ? 'cli/main.ts cable' : 'server/main.ts'} ${flags} --print-config`
    const { PATH } = process.env
    const outbox = flags!.includes('outbox') && !flags!.includes('--outbox=') ? { HOTCABLE_OUTBOX: 'sqlite:x' } : {}
    const { status, stderr } = spawnSync('sh', ['-c', `${setting?.replace('…', 'canary') ?? ''} ${program}`], {
      env: { PATH: `${process.execPath.replace(/\/[^/]*$/, '')}:${PATH}`, ANYCABLE_SECRET: SECRET, ...outbox },
      encoding: 'utf8',
    })
    assert.equal(status, 0, `${line}\n${stderr}`)
  }
  assert.ok(cables.size > 8)
})

test("docs/operating.md's commands with curl broadcast, and read the numbers", async t => {
  const cable = await startTurboCable(SECRET)
  t.after(() => void cable.child.kill())
  const block = blocksOf('docs/operating.md').find(({ block }) => block.includes('key() {'))!.block
  const { port } = new URL(cable.broadcast)

  const { stdout, status, stderr } = spawnSync('sh', ['-ec', block.replaceAll('localhost:8080', `127.0.0.1:${port}`)], {
    env: { PATH: process.env.PATH, ANYCABLE_SECRET: SECRET },
    encoding: 'utf8',
  })

  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout).history.offset, 1)
})

test('the three commands of README.md are those of docs/existing-app.md', () => {
  const threeOf = (page: string) =>
    blocksOf(page)
      .map(({ block }) => commandsOf(block))
      .find(lines => lines.some(line => line.includes('hotcable helper')))
  assert.deepEqual(threeOf('README.md'), threeOf('docs/existing-app.md'))
})

/** The blocks of commands; a section is `page#heading`. */
function blocksOf(page: string): { section: string; block: string }[] {
  let heading = ''
  return [...read(page).matchAll(/^#+ ([^\n]*)$|^( *)```(\w*)\n(.*?)^\2```$/gms)].flatMap(
    ([, title, , language, block]) => {
      if (title !== undefined) heading = title.split('\n', 1)[0]!
      const isRun = language === 'sh' && !/^# .*no test runs this/.test(block!.trim())
      return isRun ? [{ section: `${page}#${heading}`, block: block! }] : []
    },
  )
}

/** Continued lines are one command. The input of a command (`<<`) and a setting alone are no commands. */
function commandsOf(block: string): string[] {
  return block
    .replaceAll(/\\\n\s*/g, '')
    .replaceAll(/(<<'(\w+)'\n).*?^\2$/gms, '$1')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !/^\w+=\S+$/.test(line))
}

const withoutComment = (line: string): string => line.replace(/ +# .*$/, '')

const isRunHere = (page: string, line: string): boolean =>
  page === 'docs/operating.md' && /^(key\(\) \{|echo "Authorization: Bearer \$\(key )/.test(line)
