/**
 * The recipes of backends/recipes.md, as they are in the text: each is started by itself, beside a copy of the helper, with a
 * cable of its own, and seen by two pages with the bundled client.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'playwright/test'
import { startBoard } from '../backends/board-process.ts'
import { EXPRESS, LIBRARIES, type Library } from '../backends/libraries.ts'
import { type Command, missing } from '../backends/toolchain.ts'
import { type Cable, startCable } from './cable.ts'

const SECRET = 'canary recipes, 32 bytes and some more'
const TEXT = readFileSync('backends/recipes.md', 'utf8')

interface Recipe {
  readonly file: string
  readonly helper: string
  /** Absent: npm ci has it. */
  readonly library?: Library
  readonly args: (folder: string, port: number) => string[]
  /** What a project has besides. */
  readonly files?: Readonly<Record<string, string>>
}

const HOST = '127.0.0.1'
const RECIPES: Record<string, Recipe> = {
  Flask: {
    file: 'app.py',
    helper: 'python/hotcable.py',
    library: LIBRARIES.flask,
    args: (_, port) => ['-m', 'flask', '--app', 'app', 'run', `--port=${port}`],
  },
  Django: {
    file: 'urls.py',
    helper: 'python/hotcable.py',
    library: LIBRARIES.django,
    args: (_, port) => ['-m', 'django', 'runserver', '--settings=settings', '--noreload', `${HOST}:${port}`],
    files: {
      'settings.py': `
SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS = "canary", "urls", ["127.0.0.1"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
`,
    },
  },
  FastAPI: {
    file: 'app.py',
    helper: 'python/hotcable.py',
    library: LIBRARIES.fastapi,
    args: (_, port) => ['-m', 'uvicorn', 'app:app', `--port=${port}`],
  },
  Sinatra: {
    file: 'app.rb',
    helper: 'ruby/hotcable.rb',
    library: LIBRARIES.sinatra,
    args: (folder, port) => [join(folder, 'app.rb'), '-o', HOST, '-p', String(port)],
  },
  Express: {
    file: 'app.ts',
    helper: 'typescript/hotcable.ts',
    library: EXPRESS,
    args: folder => [join(folder, 'app.ts')],
  },
  Hono: { file: 'app.ts', helper: 'typescript/hotcable.ts', args: folder => [join(folder, 'app.ts')] },
}

let cable: Cable
test.beforeAll(async () => {
  cable = await startCable(SECRET)
})
test.afterAll(() => void cable.child.kill())

for (const [name, { file, helper, library, args, files = {} }] of Object.entries(RECIPES)) {
  test(`the recipe for ${name}: a card that one page adds is seen on the other`, async ({ context, baseURL }) => {
    const interpreter = library === undefined ? process.execPath : await library.interpreter()
    if (interpreter === undefined) {
      console.error(`\n!!! ${missing(library!)}\n`)
      // Express is an extra: setup may not get it.
      test.skip(process.env.CI !== 'true' || library === EXPRESS, `${name} is not here`)
      throw new Error(`${name} is not here`)
    }
    const source = TEXT.split(`\n## ${name}\n`)[1]?.match(/^```\w+\n(.*?)^```$/ms)?.[1]
    expect(source?.split('\n').length).toBeLessThanOrEqual(21)

    // In tmp, where the libraries of npm are found.
    mkdirSync('tmp', { recursive: true })
    const folder = mkdtempSync(resolve('tmp/recipe-'))
    copyFileSync(join('backends', helper), join(folder, helper.split('/')[1]!))
    for (const [path, text] of Object.entries({ ...files, [file]: source! })) writeFileSync(join(folder, path), text)

    const command = (_: string, port: number): Command => ({
      command: interpreter,
      args: args(folder, port),
      env: { PORT: String(port), PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' },
    })
    const app = await startBoard(
      command,
      {
        ...process.env,
        ANYCABLE_SECRET: SECRET,
        ANYCABLE_BROADCAST_KEY: cable.key,
        ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast,
        ANYCABLE_WEBSOCKET_URL: cable.url,
      },
      '/',
    )
    try {
      await context.route('**/assets/*', async route =>
        route.fulfill({ response: await route.fetch({ url: baseURL + new URL(route.request().url()).pathname }) }),
      )
      const [writer, reader] = [await context.newPage(), await context.newPage()]
      for (const page of [writer, reader]) {
        await page.goto(`http://${HOST}:${app.port}/`)
        await expect(page.locator('turbo-cable-stream-source[connected]')).toBeAttached()
      }
      let loads = 0
      reader.on('request', request => {
        if (request.isNavigationRequest() || request.resourceType() === 'fetch') loads++
      })
      await writer.locator('input[name=body]').fill('<b>Łódź</b> & co')
      await writer.getByRole('button', { name: 'Add' }).click()
      for (const page of [reader, writer]) await expect(page.locator('#cards > li')).toHaveText(['<b>Łódź</b> & co'])
      expect(loads).toBe(0)
    } finally {
      await app.stop()
      rmSync(folder, { recursive: true })
    }
  })
}
