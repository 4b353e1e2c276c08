/**
 * The apps of docs/: the code blocks below a heading of a page are one file of an app. It runs with a copy of the helper and a
 * cable of the tests.
 *
 *   page ──▶ app           what docs/ shows
 *     ╰────▶ network ──▶ cable      so that a test can break it
 */
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { test as base } from 'playwright/test'
import { type BoardProcess, startBoard } from '../../backends/harness/board-process.ts'
import { EXTRAS, LIBRARIES, type Library } from '../../backends/harness/libraries.ts'
import { missing, type ToolCommand } from '../../backends/harness/toolchain.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { freePort } from '../../testing/ports.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'

const SECRET = 'canary of docs, 32 bytes and some more'
const HOST = '127.0.0.1'

/** How an app of a framework starts; `file` is where its code goes, `helper` where the helper goes. */
export interface Framework {
  readonly file: string
  readonly helper: string
  readonly library: Library
  readonly args: (port: number) => string[]
  /** A folder with the other files that a project of this framework has. */
  readonly besides?: string
}

export const FLASK: Framework = {
  file: 'app.py',
  helper: 'hotcable.py',
  library: LIBRARIES.flask,
  args: port => ['-m', 'flask', '--app', 'app', 'run', `--port=${port}`],
}

export const DJANGO: Framework = {
  file: 'urls.py',
  helper: 'hotcable.py',
  library: LIBRARIES.django,
  args: port => ['-m', 'django', 'runserver', '--settings=settings', '--noreload', `${HOST}:${port}`],
  besides: 'e2e/browser/recipes/django',
}

export const LARAVEL: Framework = {
  file: 'routes/web.php',
  helper: 'app/hotcable.php',
  library: EXTRAS.laravel,
  args: port => ['-d', 'display_errors=0', '-d', 'log_errors=1', '-S', `${HOST}:${port}`, 'public/index.php'],
  besides: 'e2e/browser/recipes/laravel',
}

export interface PageApp {
  readonly origin: string
  readonly process: BoardProcess
  readonly cable: TurboCable
  /** Between pages and the cable. The app reaches the cable directly. */
  readonly network: TcpProxy
}

/** The code blocks below a heading, in one file; a block that begins with `# settings.py` is for that file. */
function filesOf(page: string, heading: string, main: string): Map<string, string> {
  const files = new Map<string, string>()
  const section = readFileSync(page, 'utf8').split(`\n## ${heading}\n`)[1]!.split('\n## ')[0]!
  for (const [, code] of section.matchAll(/^```\w+\n(.*?)\n^```$/gms)) {
    const file = /^# (\w+\.\w+)\n/.exec(code!)?.[1] ?? main
    files.set(file, `${files.get(file) ?? ''}${code}\n`)
  }
  return files
}

/** `flags` are more flags of the cable, which may name the app. */
type Start = (
  page: string,
  heading: string,
  framework: Framework,
  flags?: (app: string) => readonly string[],
) => Promise<PageApp>

export const test = base.extend<{ start: Start }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from this pattern
  start: async ({}, use) => {
    const clean: (() => unknown)[] = []
    await use(async (page, heading, { file, helper, library, args, besides }, flags = () => []) => {
      const interpreter = await library.interpreter()
      if (interpreter === undefined) {
        console.error(`\n!!! ${missing(library)}\n`)
        base.skip(process.env.CI !== 'true' || library.isExtra, `${library.title} is not installed`)
        throw new Error(`${library.title} is not installed`)
      }
      const port = await freePort()
      const cable = await startTurboCable(SECRET, flags(`http://${HOST}:${port}`))
      clean.push(() => cable.stop())
      const network = await createProxy(Number(new URL(cable.url).port))
      clean.push(() => network.close())

      // In tmp, where the libraries of npm are found.
      mkdirSync('tmp', { recursive: true })
      const folder = mkdtempSync(resolve('tmp/page-app-'))
      clean.push(() => rmSync(folder, { recursive: true }))
      if (besides !== undefined && existsSync(besides)) cpSync(besides, folder, { recursive: true })
      const files = filesOf(page, heading, file)
      for (const path of [...files.keys(), helper]) mkdirSync(join(folder, dirname(path)), { recursive: true })
      copyFileSync(join('backends', HELPERS[extname(helper)]!, basename(helper)), join(folder, helper))
      for (const [path, text] of files) appendFileSync(join(folder, path), `\n${text}`.replace(/^\n(?=<\?php)/, ''))

      const command = (_: string, port: number): ToolCommand => ({
        command: interpreter,
        args: args(port),
        env: { PORT: String(port), PYTHONDONTWRITEBYTECODE: '1' },
      })
      const settings = {
        ANYCABLE_SECRET: SECRET,
        ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast,
        ANYCABLE_WEBSOCKET_URL: `${network.origin.replace('http', 'ws')}/cable`,
      }
      const app = await startBoard(command, { ...process.env, ...settings }, { path: '/', cwd: folder, port })
      clean.push(() => app.stop())
      return { origin: `http://${HOST}:${port}`, process: app, cable, network }
    })
    for (const each of clean.reverse()) await each()
  },
})

const HELPERS: Record<string, string> = { '.py': 'python', '.rb': 'ruby', '.ts': 'typescript', '.php': 'php' }
