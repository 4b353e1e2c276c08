/**
 * The recipes of backends/recipes.md, extracted from the text: each runs alone, with a copy of the helper and the files that
 * a project of its framework has besides (recipes/), with a cable of the tests; two pages look at it, with the script from the cable.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { expect, test } from 'playwright/test'
import { startBoard } from '../../backends/harness/board-process.ts'
import { EXTRAS, LIBRARIES, type Library } from '../../backends/harness/libraries.ts'
import { missing, type ToolCommand } from '../../backends/harness/toolchain.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'

const SECRET = 'canary recipes, 32 bytes and some more'
const TEXT = readFileSync('backends/recipes.md', 'utf8')

interface Recipe {
  /** Where the recipe goes, and where the helper. */
  readonly file: string
  readonly helper: string
  /** Absent: npm ci installs it. */
  readonly library?: Library
  readonly args: (port: number) => string[]
}

const HELPERS: Record<string, string> = { '.py': 'python', '.rb': 'ruby', '.ts': 'typescript', '.php': 'php' }
const HOST = '127.0.0.1'
const php = (port: number) => [
  '-d',
  'display_errors=0',
  '-d',
  'log_errors=1',
  '-S',
  `${HOST}:${port}`,
  'public/index.php',
]

const RECIPES: Record<string, Recipe> = {
  Flask: {
    file: 'app.py',
    helper: 'hotcable.py',
    library: LIBRARIES.flask,
    args: port => ['-m', 'flask', '--app', 'app', 'run', `--port=${port}`],
  },
  Django: {
    file: 'urls.py',
    helper: 'hotcable.py',
    library: LIBRARIES.django,
    args: port => ['-m', 'django', 'runserver', '--settings=settings', '--noreload', `${HOST}:${port}`],
  },
  FastAPI: {
    file: 'app.py',
    helper: 'hotcable.py',
    library: LIBRARIES.fastapi,
    args: port => ['-m', 'uvicorn', 'app:app', `--port=${port}`],
  },
  Sinatra: {
    file: 'app.rb',
    helper: 'hotcable.rb',
    library: LIBRARIES.sinatra,
    args: port => ['app.rb', '-o', HOST, '-p', String(port)],
  },
  Express: { file: 'app.ts', helper: 'hotcable.ts', library: EXTRAS.express, args: () => ['app.ts'] },
  Fastify: { file: 'app.ts', helper: 'hotcable.ts', library: EXTRAS.fastify, args: () => ['app.ts'] },
  Hono: { file: 'app.ts', helper: 'hotcable.ts', args: () => ['app.ts'] },
  Laravel: { file: 'routes/web.php', helper: 'app/hotcable.php', library: EXTRAS.laravel, args: php },
  Symfony: { file: 'src/Controller/Cards.php', helper: 'hotcable.php', library: EXTRAS.symfony, args: php },
}

let cable: TurboCable
test.beforeAll(async () => {
  cable = await startTurboCable(SECRET)
})
test.afterAll(() => void cable.child.kill())

test('every recipe has a test, a tried version, and 20 lines at most', () => {
  expect([...TEXT.matchAll(/^## (.+)$/gm)].map(([, name]) => name)).toEqual(Object.keys(RECIPES))
  expect([...TEXT.matchAll(/^\| (\w+) \| [\d.]+ \| untested \|$/gm)].map(([, name]) => name).sort()).toEqual(
    Object.keys(RECIPES).sort(),
  )
  for (const name in RECIPES) expect(lines(name).split('\n').length, name).toBeLessThanOrEqual(20)
})

for (const [name, { file, helper, library, args }] of Object.entries(RECIPES)) {
  test(`with the recipe for ${name}, a card that one page adds shows on the other`, async ({ context }) => {
    const interpreter = library === undefined ? process.execPath : await library.interpreter()
    if (interpreter === undefined) {
      console.error(`\n!!! ${missing(library!)}\n`)
      test.skip(process.env.CI !== 'true' || library!.isExtra, `${name} is not installed`)
      throw new Error(`${name} is not installed`)
    }

    // In tmp, where the libraries of npm are found.
    mkdirSync('tmp', { recursive: true })
    const folder = mkdtempSync(resolve('tmp/recipe-'))
    const besides = join('e2e/browser/recipes', name.toLowerCase())
    if (existsSync(besides)) cpSync(besides, folder, { recursive: true })
    for (const path of [file, helper]) mkdirSync(join(folder, dirname(path)), { recursive: true })
    copyFileSync(join('backends', HELPERS[extname(helper)]!, basename(helper)), join(folder, helper))
    writeFileSync(join(folder, file), lines(name))

    const command = (_: string, port: number): ToolCommand => ({
      command: interpreter,
      args: args(port),
      env: { PORT: String(port), PYTHONDONTWRITEBYTECODE: '1' },
    })
    const app = await startBoard(
      command,
      {
        ...process.env,
        ANYCABLE_SECRET: SECRET,
        ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast,
        ANYCABLE_WEBSOCKET_URL: cable.url,
      },
      { path: '/', cwd: folder },
    )
    try {
      const [writer, reader] = [await context.newPage(), await context.newPage()]
      for (const page of [writer, reader]) {
        await page.goto(`http://${HOST}:${app.port}/`)
        await expect(page.locator('hotcable-status')).toHaveText('live')
      }
      let loads = 0
      reader.on('request', request => {
        if (request.isNavigationRequest() || request.resourceType() === 'fetch') loads++
      })
      await writer.locator('input[name=body]').fill('<b>Łódź</b> & co')
      await writer.getByRole('button', { name: 'Add' }).click()
      for (const page of [reader, writer]) await expect(page.locator('#cards > li')).toHaveText(['<b>Łódź</b> & co'])
      expect(loads).toBe(0)

      const action = (await writer.locator('form').getAttribute('action')) ?? '/'
      for (const origin of ['http://evil.test', 'null']) {
        const { status } = await app.post(action, { body: 'forged' }, { origin })
        expect([403, 419], `Origin: ${origin}`).toContain(status)
      }
      await reader.reload()
      await expect(reader.locator('#cards > li')).toHaveCount(1)
    } finally {
      await app.stop()
      rmSync(folder, { recursive: true })
    }
  })
}

function lines(name: string): string {
  return TEXT.split(`\n## ${name}\n`)[1]!.match(/^```\w+\n(.*?)\n^```$/ms)![1]!
}
