/** `npm start` itself, as people run it: on a port and a file of its own, with whatever languages are here. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from './network.ts'

const linux = { skip: process.platform === 'linux' ? false : 'reads /proc' }

async function start(t: TestContext, extra: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-start-'))
  const port = String((await freePorts(1))[0])
  const env = { ...process.env, PORT: port, HOTCABLE_DB: join(folder, 'board.sqlite3'), ...extra }
  const script = fileURLToPath(new URL('main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], { env })
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      if (line.startsWith('Hotcable is live')) ready.resolve()
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { child, lines, ended, url: `http://127.0.0.1:${port}`, port, env, ready: ready.promise }
}

/** Processes that work on this Board, by the file that their environment names. */
function family(db: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOTCABLE_DB=${db}\0`)
      } catch {
        return false // gone, or not ours
      }
    })
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await pause(20)
}

test('one line says where the Board is, and it is there', async t => {
  const { url, port, lines, ready } = await start(t)
  await ready

  assert.ok(lines.includes(`Hotcable is live at http://localhost:${port}`))
  assert.equal((await fetch(url)).status, 200)
  assert.deepEqual(
    lines.filter(line => /GET|POST|│/.test(line)),
    [],
  )
})

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  test(`${name} ends everything, in order`, linux, async t => {
    const { child, ready, ended, env, lines } = await start(t)
    await ready
    assert.ok(family(env.HOTCABLE_DB).length > 3)

    child.kill(name)
    child.kill(name) // npm passes on what the terminal has sent already

    assert.equal(await ended, 0)
    await until(() => family(env.HOTCABLE_DB).length === 0)
    assert.deepEqual(
      lines.filter(line => /stopped/.test(line)),
      [],
    )
  })
}

test('nothing stays behind when it is killed', linux, async t => {
  const { child, ready, env } = await start(t)
  await ready

  child.kill('SIGKILL')

  await until(() => family(env.HOTCABLE_DB).length === 0)
})

test('a child that dies comes back, and that is said', linux, async t => {
  const { ready, env, lines } = await start(t)
  await ready
  const cable = () =>
    family(env.HOTCABLE_DB).find(pid => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('server/main.ts'))
  const first = cable()!

  process.kill(first, 'SIGKILL')

  await until(() => lines.includes('The cable stopped (SIGKILL), starting it again in 0.25 s'))
  await until(() => (cable() ?? first) !== first)
})

test('an outage on purpose kills the cable, and keeps it away while cards are added', linux, async t => {
  const { ready, url, env, lines } = await start(t)
  await ready

  const outage = spawn(process.execPath, [fileURLToPath(new URL('outage.ts', import.meta.url))], { env })
  t.after(() => outage.kill())
  await until(() => lines.includes('The cable stopped (SIGKILL), starting it again in 10 s'))
  const away = `Written while the cable was away, 1 of 8`
  while (!(await (await fetch(url)).text()).includes(away)) await pause(50)
})

test('a port that is in use is one line', async t => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  t.after(() => holder.close())
  const { port } = holder.address() as { port: number }

  const { ended, lines } = await start(t, { PORT: String(port) })

  assert.equal(await ended, 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, new RegExp(`^Port ${port} is in use`))
})

test('a language that is not here is named with how to get it, and the rest runs', async t => {
  const { url, lines, ready } = await start(t, { PATH: '/nowhere' })
  await ready

  for (const title of ['Python', 'PHP', 'Ruby', 'Rails']) {
    assert.equal(lines.filter(line => line.startsWith(`${title} is not here`) && /npm run setup/.test(line)).length, 1)
  }
  assert.equal((await fetch(url)).status, 200)
  assert.equal((await fetch(`${url}/python/`)).status, 503)
})
