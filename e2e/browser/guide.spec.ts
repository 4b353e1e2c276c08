/**
 * docs/existing-app.md, applied to existing apps (guide/): its commands run in the folder of the app, its lines go into
 * the files, and two pages show that a change on one reaches the other.
 */
import { execFileSync, spawn } from 'node:child_process'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type BrowserContext, expect, type Page, test } from 'playwright/test'
import { type BoardProcess, startBoard } from '../../backends/harness/board-process.ts'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { EXTRAS, LIBRARIES } from '../../backends/harness/libraries.ts'
import { missing, type Tool } from '../../backends/harness/toolchain.ts'
import { freePorts } from '../../start/network.ts'
import { listening, type RunningCable, withoutSettings } from '../../testing/cable.ts'
import { isMarked, mark } from './demo.ts'
import { APPS, apply, COMMANDS, CONSOLES, editsOf, helperOf } from './guide.ts'

interface App {
  readonly needs: Tool
  readonly isExtra?: boolean
  /** As its author starts it; `python3` and so on from PATH. */
  readonly start: (port: number) => Promise<string>
  /** The language of its console, if it has one. */
  readonly console?: string
  /** Other files of its project, from this folder. */
  readonly besides?: string
  /** Its `.env` before. */
  readonly env?: (port: number) => string
}

const KNOWN: Record<string, App> = {
  Flask: {
    needs: LIBRARIES.flask,
    start: async port => `${await LIBRARIES.flask.interpreter()} -m flask --app app run --port ${port}`,
    console: 'python3',
  },
  Django: {
    needs: LIBRARIES.django,
    start: async port =>
      `${await LIBRARIES.django.interpreter()} -m django runserver --settings settings --noreload 127.0.0.1:${port}`,
    console: 'python3',
  },
  PHP: { needs: LANGUAGES.php, console: 'php', start: async port => `php -S 127.0.0.1:${port}` },
  Laravel: {
    needs: EXTRAS.laravel,
    isExtra: true,
    start: async port => `php -d display_errors=0 -d log_errors=1 -S 127.0.0.1:${port} public/index.php`,
    besides: 'recipes/laravel',
  },
  Express: {
    needs: EXTRAS.express,
    isExtra: true,
    start: async () => 'node app.js',
    console: 'node',
    // Without a line break at its end, and with a port that is not the cable's.
    env: port => `PORT=${port}`,
  },
  Sinatra: {
    needs: LIBRARIES.sinatra,
    start: async port => `${await LIBRARIES.sinatra.interpreter()} app.rb -o 127.0.0.1 -p ${port}`,
    console: 'ruby',
  },
  Go: { needs: LANGUAGES.go, start: async port => `PORT=${port} go run .` },
}

/** The home folder: with ~/hotcable, where the package is, and a cache of npm, because the usual one may hold an older package. */
let home: string
test.beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'hotcable-home-'))
  mkdirSync(join(home, 'hotcable'))
  execFileSync(process.execPath, ['pack/main.ts', '--into', join(home, 'hotcable')])
})
test.afterAll(() => rmSync(home, { recursive: true, maxRetries: 5 }))

test('docs/existing-app.md needs three commands, and at most ten short lines in each app', () => {
  expect(APPS).toEqual(Object.keys(KNOWN))
  expect(COMMANDS).toHaveLength(3)
  for (const app of APPS) {
    const added = editsOf(app).flatMap(({ added }) => added)
    expect(added.length, `${app}:\n${added.join('\n')}`).toBeLessThanOrEqual(10)
    for (const line of added) expect(line.length, line).toBeLessThanOrEqual(120)
  }
})

for (const [name, known] of Object.entries(KNOWN)) {
  test(`an existing app in ${name} gets live updates by docs/existing-app.md`, async ({ context }) => {
    if (!(await known.needs.isPresent())) {
      console.error(`\n!!! ${missing(known.needs)}\n`)
      test.skip(process.env.CI !== 'true' || known.isExtra === true, `${name} is not installed`)
      throw new Error(`${name} is not installed`)
    }
    // In tmp, where Express is.
    mkdirSync('tmp', { recursive: true })
    const folder = mkdtempSync(resolve('tmp/guide-'))
    if (known.besides) cpSync(join('e2e/browser', known.besides), folder, { recursive: true })
    cpSync(join('e2e/browser/guide', name.toLowerCase()), folder, { recursive: true })
    const [port] = (await freePorts(1)) as [number]
    if (known.env) appendFileSync(join(folder, '.env'), known.env(port))
    const start = await known.start(port)
    let [app, cable]: [BoardProcess?, RunningCable?] = []
    try {
      app = await startApp(folder, start, port)
      await expectFormWorks(context, port)
      await app.stop()

      cable = await runCommands(folder, helperOf(name))
      for (const edit of editsOf(name)) apply(edit, folder)
      const addresses = { ANYCABLE_WEBSOCKET_URL: cable.url, ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast }
      app = await startApp(folder, start, port, addresses)
      const reader = await expectLiveUpdates(context, port)

      const job = CONSOLES.find(line => line.startsWith(`${known.console} `))
      if (job === undefined) return
      const refreshed = reader.waitForRequest(`http://127.0.0.1:${port}/`)
      execFileSync('sh', ['-c', `set -a; . ./.env; set +a; ${job}`], { cwd: folder, env: { ...shell(), ...addresses } })
      await refreshed
    } finally {
      await app?.stop()
      await cable?.stop()
      rmSync(folder, { recursive: true, maxRetries: 5 })
    }
  })
}

/** Of the app's author: no setting of the cable, no network, and only the `.env` of the folder. */
const shell = (): NodeJS.ProcessEnv => ({
  ...withoutSettings('ANYCABLE_', 'HOTCABLE_', 'npm_'),
  HOME: home,
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
  PATH: `${resolve('node_modules/.bin')}:${process.env.PATH}`,
  PYTHONDONTWRITEBYTECODE: '1',
})

/** Runs the three commands of the page; `helper` replaces the arguments of the second, where a section says so. */
async function runCommands(folder: string, helper: string | undefined): Promise<RunningCable> {
  const [secret, copy, run] = COMMANDS as [string, string, string]
  const words = helper === undefined ? copy : copy.replace(/(?<= helper ).*/, helper)
  mkdirSync(join(folder, /> (?:(.*)\/)?/.exec(words)?.[1] ?? '.'), { recursive: true })
  for (const command of [secret, words]) execFileSync('sh', ['-c', command], { cwd: folder, env: shell() })
  expect(readFileSync(join(folder, '.env'), 'utf8')).toMatch(/^ANYCABLE_SECRET=\S{32,}$/m)
  // The port of the page, 8080, may be taken on this machine.
  const env = { ...shell(), ANYCABLE_PORT: '0' }
  const child = spawn('sh', ['-c', run], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  return listening(child)
}

const startApp = (folder: string, start: string, port: number, more: NodeJS.ProcessEnv = {}): Promise<BoardProcess> =>
  startBoard(
    () => ({ command: 'sh', args: ['-c', `test ! -f .env || { set -a; . ./.env; set +a; }; ${start}`] }),
    { ...shell(), ...more },
    { path: '/', cwd: folder, port },
  )

async function expectFormWorks(context: BrowserContext, port: number): Promise<void> {
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${port}/`)
  await addTask(page, 'from before')
  await expect(page.locator('#tasks > li')).toHaveText(['from before'])
  await page.close()
}

/** Returns the page that only reads. */
async function expectLiveUpdates(context: BrowserContext, port: number): Promise<Page> {
  const [writer, reader] = [await context.newPage(), await context.newPage()]
  for (const page of [writer, reader]) {
    await page.goto(`http://127.0.0.1:${port}/`)
    await expect(page.locator('hotcable-status')).toHaveText('live')
  }
  const known = await reader.locator('#tasks > li').allTextContents()
  const loads: string[] = []
  reader.on('request', request => loads.push(request.url()))

  await mark(writer)
  await addTask(writer, '<b>Łódź</b> & co')

  // Once on both, though the writer's page is a new one that may have been sent it as well.
  for (const page of [reader, writer])
    await expect(page.locator('#tasks > li')).toHaveText([...known, '<b>Łódź</b> & co'])
  await addTask(writer, 'last')
  for (const page of [reader, writer])
    await expect(page.locator('#tasks > li')).toHaveText([...known, '<b>Łódź</b> & co', 'last'])
  expect(await isMarked(writer), 'the form loads a page, as before').toBe(false)
  expect(loads, 'the reader fetched nothing').toEqual([])
  return reader
}

async function addTask(page: Page, title: string): Promise<void> {
  await page.locator('input[name=title]').fill(title)
  await page.getByRole('button', { name: 'Add' }).click()
}
