/** A language with a Board is a row and a folder. This test makes up both, in a copy of the project. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../start/network.ts'

const ROW = {
  title: 'Made up',
  needs: 'nothing',
  packages: [],
  probe: ['node', '--version'],
  board: { port: 3999, command: ['node', 'backends/madeup/board.ts'] },
}
const BOARD = `
import { createServer } from 'node:http'
const answer = path => (path === '/health' ? 'ok' : '<body data-backend="madeup">' + path)
createServer((request, response) => response.end(answer(request.url))).listen(Number(process.env.PORT), process.env.HOST)
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit())
`
const LINKS = ['<a href="/madeup/" data-backend="madeup">Made up</a>', '<a href="/rails/" data-backend="rails"']

test('a new row and a new folder are enough: the Board starts behind web, every Board links to it, and /compare shows it', async t => {
  const { get } = await start(t, projectWith('madeup', ROW, BOARD, t))

  assert.deepEqual(await get('/madeup/some?path'), { status: 200, html: '<body data-backend="madeup">/some?path' })
  const compared = (await get('/compare')).html
  assert.match(compared, /<h2>One Board, five languages/)
  assert.match(compared, /<iframe src="\/madeup\/" title="The Board rendered by Made up">/)
  for (const path of ['/', '/nowhere', '/python/', '/php/', '/ruby/', '/rails/']) {
    const { html } = await get(path)
    for (const link of LINKS) assert.ok(html.includes(link), `${path} has ${link}`)
  }
})

/** A copy of the project, without its tests and installed packages. */
function projectWith(name: string, row: object, board: string, t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-language-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const filter = (path: string) => !path.endsWith('.test.ts')
  for (const part of ['backends', 'client', 'server', 'start', 'testing', 'web', 'package.json'])
    cpSync(part, join(folder, part), { recursive: true, filter })
  // Installed packages, and the gems of Rails.
  for (const part of ['node_modules', 'tmp']) symlinkSync(resolve(part), join(folder, part))

  const list = join(folder, 'backends/languages.json')
  writeFileSync(list, JSON.stringify({ ...JSON.parse(readFileSync(list, 'utf8')), [name]: row }))
  mkdirSync(join(folder, 'backends', name))
  writeFileSync(join(folder, 'backends', name, 'board.ts'), board)
  return folder
}

/** Runs `npm start` there. `get` waits for a Board that starts; for a language that is not installed, web answers with a page. */
async function start(t: TestContext, cwd: string) {
  const [port] = await freePorts(1)
  const env = { ...process.env, HOST: '127.0.0.1', PORT: String(port), HOTCABLE_DB: join(cwd, 'board.sqlite3') }
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'start/main.ts'], { cwd, env })
  t.after(async () => {
    if (child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const lines: string[] = []
  const live = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      if (line.startsWith('Hotcable is live')) live.resolve()
    })
  child.once('exit', () => live.reject(new Error(`npm start ended:\n${lines.join('\n')}`)))
  await live.promise
  const get = async (path: string): Promise<{ status: number; html: string }> => {
    const headers = { accept: 'text/html' }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    const html = await answer.text()
    if (answer.status !== 502) return { status: answer.status, html }
    await pause(50)
    return get(path)
  }
  return { get }
}
