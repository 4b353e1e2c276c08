import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { lanAddress } from './network.ts'
import { family, inside, LIVE, linux, ROOT, start, until } from './testing.ts'

test('the URL that npm start prints serves the Board', async t => {
  const { url, port, lines, ready } = await start(t)
  await ready

  assert.ok(lines.includes(`Hotcable is live at http://localhost:${port}${LIVE}`))
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
    assert.ok(family(env).length > 3)

    child.kill(name)
    child.kill(name) // npm passes on a signal that the terminal has already sent to us

    assert.equal(await ended, 0)
    await until(() => family(env).length === 0)
    assert.deepEqual(
      lines.filter(line => /stopped/.test(line)),
      [],
    )
  })
}

test('no process stays behind when npm start is killed', linux, async t => {
  const { child, ready, env } = await start(t)
  await ready

  child.kill('SIGKILL')

  await until(() => family(env).length === 0)
})

test('a child that dies comes back, and a line says so', linux, async t => {
  const { ready, env, lines } = await start(t)
  await ready
  const cable = () => family(env, 'server/main.ts')[0]
  const first = cable()!

  process.kill(first, 'SIGKILL')

  await until(() => lines.includes('The cable stopped (SIGKILL), starting it again in 0.25 s'))
  await until(() => (cable() ?? first) !== first)
})

test('an intended outage kills the cable, and keeps it away while cards are added', linux, async t => {
  const { ready, url, env, lines } = await start(t)
  await ready

  const outage = spawn(process.execPath, [fileURLToPath(new URL('outage.ts', import.meta.url))], { env })
  t.after(() => outage.kill())
  await until(() => lines.includes('The cable stopped (SIGKILL), starting it again in 10 s'))
  const away = `Written while the cable was away, 1 of 8`
  while (!(await (await fetch(url)).text()).includes(away)) await pause(50)
})

test('npm start reports a port that is in use in one line', async t => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  t.after(() => holder.close())
  const { port } = holder.address() as { port: number }

  const { ended, lines } = await start(t, { PORT: String(port) })

  assert.equal(await ended, 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, new RegExp(`^Port ${port} is in use`))
})

test('npm start takes the settings of the cable from .env, and neither PORT nor HOST', t => {
  const cwd = mkdtempSync(join(tmpdir(), 'hotcable-start-'))
  t.after(() => rmSync(cwd, { recursive: true }))
  writeFileSync(join(cwd, '.env'), 'PORT=none\nHOST=none.invalid\nANYCABLE_PING_INTERVAL=often\n')

  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'start/main.ts')], {
    cwd,
    env: { PATH: '/nowhere', HOTCABLE_DB: join(cwd, 'board.sqlite3') },
    encoding: 'utf8',
  })

  assert.equal(status, 1)
  assert.match(stderr, /^The cable: ANYCABLE_PING_INTERVAL must be [^\n]*\n$/m)
  assert.doesNotMatch(stderr, /PORT must|none/)
})

test('npm start names a language that is not installed, says how to install it, and runs the others', async t => {
  const { url, lines, ready } = await start(t, { PATH: '/nowhere' })
  await ready

  for (const title of ['Python', 'PHP', 'Ruby', 'Rails']) {
    assert.equal(lines.filter(line => line.startsWith(`${title} is not here`) && /npm run setup/.test(line)).length, 1)
  }
  assert.equal((await fetch(url)).status, 200)
  assert.equal((await fetch(`${url}/python/`)).status, 503)
})

test('only this machine reaches the Board, unless the host lets others in', async t => {
  const address = lanAddress()
  if (address === undefined) return t.skip('no network')
  const alone = await start(t)
  await alone.ready
  await assert.rejects(fetch(`http://${address}:${alone.port}/health`))

  for (const HOST of ['0.0.0.0', '::']) {
    const { ready, port, lines } = await start(t, { HOST, PATH: '/nowhere' })
    await ready

    assert.ok(lines.includes(`Hotcable is live at http://localhost:${port}`))
    await until(() => lines.includes(`and for phones nearby at http://${address}:${port}`))
    assert.equal((await fetch(`http://${address}:${port}/health`)).status, 200)
  }
})

/** The status with which `/cable` answers a WebSocket; `undefined` while nothing listens. */
const handshake = (port: string): Promise<number | undefined> =>
  new Promise(resolve => {
    const headers = {
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    }
    const request = get({ host: '127.0.0.1', port, path: '/cable', headers })
    request.on('response', answer => resolve(answer.resume().statusCode))
    request.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve(101)
    })
    request.on('error', () => resolve(undefined))
  })

test('the port opens when the cable answers, however slowly that starts', async t => {
  const slow = inside('server/main.ts', 'await new Promise(started => setTimeout(started, 1500))')
  // npm start sees no time pass while it waits for the cable: a busy machine needs more than 1.5 s.
  const patient = inside('start/main.ts', 'const now = performance.now(); performance.now = () => now')
  const { port, ready } = await start(t, { PATH: '/nowhere', NODE_OPTIONS: `${slow} ${patient}` })

  let first: number | undefined
  while (first === undefined) first = await handshake(port)

  assert.equal(first, 101)
  await ready
})

test('the port opens after 5 s without the cable, and /cable answers 502 at once', async t => {
  const never = inside('server/main.ts', 'await new Promise(() => setInterval(() => {}, 1000))')
  const { url, port, lines } = await start(t, { PATH: '/nowhere', NODE_OPTIONS: never })

  let first: number | undefined
  while (first === undefined) first = await handshake(port)

  assert.equal(first, 502)
  assert.equal((await fetch(url)).status, 200)
  await until(() => lines.includes('The cable does not answer yet'))
})

test('npm start reports a misconfigured Board once, and runs the others', async t => {
  const { env, says } = fakePython(t, 'exit 78')
  const { url, lines, ready } = await start(t, env)
  await ready

  assert.deepEqual(
    lines.filter(line => line.startsWith('Python')),
    [says, 'Python stopped: its settings or files are wrong. It is not started again', 'Python does not answer yet'],
  )
  assert.equal((await fetch(url)).status, 200)
})

test('a misconfigured web app ends all processes, with exit code 1', linux, async t => {
  const broken = inside('web/main.ts', "console.error('web: data is no folder'); process.exit(78)")
  const { ended, lines, env } = await start(t, { PATH: '/nowhere', NODE_OPTIONS: broken })

  assert.equal(await ended, 1)
  assert.equal(lines.filter(line => line.endsWith('web: data is no folder')).length, 1)
  await until(() => family(env).length === 0)
})

test('npm start reports a setting that the cable refuses in one line, and starts no process', async t => {
  const { ended, lines } = await start(t, { PATH: '/nowhere', ANYCABLE_HISTORY_LIMIT: 'many', HOTCABLE_HEALL: 'off' })

  assert.equal(await ended, 1)
  assert.deepEqual(
    lines.filter(line => !/is not here/.test(line)),
    [
      'The cable: HOTCABLE_HEALL is not a variable of this cable: did you mean HOTCABLE_HEAL?',
      'The cable: ANYCABLE_HISTORY_LIMIT must be a whole number from 1 to 100000',
    ],
  )
})

test('npm start reports a database that it cannot use in one line, and starts no process', async t => {
  const { ended, lines } = await start(t, { PATH: '/nowhere', HOTCABLE_DB: fileURLToPath(import.meta.url) })

  assert.equal(await ended, 1)
  assert.deepEqual(
    lines.filter(line => !/is not here/.test(line)),
    [`The Board cannot use its database: ${fileURLToPath(import.meta.url)}: file is not a database`],
  )
})

test('npm run dev restarts a Board when its sources change', async t => {
  const { env, says } = fakePython(t, 'exec sleep 1000')
  const { lines, child } = await start(t, env, [process.execPath, 'start/main.ts', '--watch'])
  const starts = () => lines.filter(line => line === says).length
  await until(() => starts() === 1)

  // Setting the present times is a change as well.
  const board = join(ROOT, 'backends/python/board.py')
  const { atime, mtime } = statSync(board)
  utimesSync(board, atime, mtime)

  await until(() => starts() === 2)
  assert.ok(lines.includes('Python starts again: its sources changed'))
  assert.ok(!lines.some(line => line.startsWith('Python stopped')))
  assert.equal(child.exitCode, null)
})

/** A PATH without languages except a `python3` that prints a line and does what `does` says. */
function fakePython(t: TestContext, does: string) {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-fake-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'python3')
  writeFileSync(program, `#!/bin/sh\nPATH=/bin:/usr/bin\n[ "$1" = -c ] && exit 0\necho data is no folder\n${does}\n`)
  chmodSync(program, 0o755)
  return { env: { PATH: folder }, says: 'Python     │ data is no folder' }
}

test('demo:outage says what to do if no demo runs, and if another cable runs', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-outage-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const outage = async (port: number) => {
    const env = { ...process.env, PORT: String(port), HOTCABLE_DB: join(folder, 'board.sqlite3') }
    const child = spawn(process.execPath, [fileURLToPath(new URL('outage.ts', import.meta.url))], { env })
    let said = ''
    child.stderr.on('data', data => (said += data))
    const [code] = await once(child, 'close')
    return [code, said] as const
  }
  const other = createHttpServer((_, answer) => answer.end('ok')).listen(0, 'localhost')
  t.after(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo

  const [code, said] = await outage(port)

  assert.equal(code, 1)
  assert.match(
    said,
    /npm start did not start the server[\s\S]*docker compose kill cable[\s\S]*docker compose up -d cable/,
  )
  other.close()
  assert.deepEqual(await outage(port), [
    1,
    'The demo is not running. Run npm start, open the page, then run this in a second terminal\n',
  ])
})

test('demo:outage says what to do if npm start uses a cable that it did not start', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-start-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const running = { pid: process.pid, url: 'http://localhost:4000', ownsCable: false }
  writeFileSync(join(folder, 'running.json'), JSON.stringify(running))
  const env = { ...process.env, HOTCABLE_DB: join(folder, 'board.sqlite3') }
  const { status, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('outage.ts', import.meta.url))], {
    env,
    encoding: 'utf8',
  })

  assert.equal(status, 1)
  assert.match(stderr, /^npm start uses a cable that it did not start\. Stop and start that cable yourself/)
})

test('npm start reports an unknown argument in one line that names the variables', () => {
  const script = fileURLToPath(new URL('main.ts', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, '--port=4000'], { encoding: 'utf8' })

  assert.deepEqual(
    [status, stderr],
    [1, 'npm start does not know --port=4000: set variables instead, as PORT=4000 npm start. See README.md\n'],
  )
})

test('npm start goes on when the pipes of its output are closed', linux, async t => {
  const { child, ready, env, url } = await start(t)
  await ready
  const cable = () => family(env, 'server/main.ts')[0]

  for (const stream of [child.stdout!, child.stderr!]) stream.destroy()
  for (let n = 0; n < 2; n++) {
    const first = cable()!
    process.kill(first, 'SIGKILL')
    await until(() => child.exitCode !== null || (cable() ?? first) !== first)
    assert.equal(child.exitCode, null)
  }

  assert.equal((await fetch(url)).status, 200)
})
