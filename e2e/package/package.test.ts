/** The package, installed into an empty folder, on every Node that it must run on. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { globSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { connect } from '../../testing/client.ts'
import { NO_POSTGRES, startPostgres } from '../../testing/postgres.ts'
import { openRaw } from '../../testing/raw.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { channel } from '../../testing/rpc-script.ts'
import { installPackage } from './installed.ts'
import { runtimes } from './nodes.ts'

const { folder, root, bin, tarball } = installPackage()
const postgres = NO_POSTGRES ? undefined : await startPostgres({ after })
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const SECRET = 'canary-package'
const KEY = createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')

test('the package is alone in the folder: no other package, no TypeScript to run, no native code', () => {
  assert.deepEqual(
    readdirSync(dirname(root)).filter(name => !name.startsWith('.')),
    ['hotcable'],
  )
  assert.equal(manifest.dependencies, undefined)
  assert.equal(manifest.scripts, undefined)
  const files = globSync('**/*', { cwd: root })
  assert.deepEqual(
    files.filter(file => /\.(node|wasm)$/.test(file)),
    [],
  )
  assert.deepEqual(files.filter(file => /\.ts$/.test(file)).sort(), [
    'backends/typescript/hotcable.d.ts',
    'backends/typescript/hotcable.ts',
  ])
  // (The clients of Redis and of gRPC, which few cables load, are 180 KB of it.)
  assert.ok(statSync(tarball).size < 760 * 1024, `${statSync(tarball).size}`)
})

test('the package names every library in it, with its licence', () => {
  const text = readFileSync(join(root, 'THIRD-PARTY-LICENSES'), 'utf8')

  for (const name of [
    'ws',
    'hono',
    '@hono/node-server',
    'pino',
    'prom-client',
    'jose',
    '@grpc/grpc-js',
    '@hotwired/turbo',
    '@anycable/web',
  ])
    assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\((MIT|Apache-2\\.0)\\)$`, 'm'))
  assert.match(text, /^Copyright \(c\) Vladimir Dementyev$/m)
  assert.match(readFileSync(join(root, 'LICENSE'), 'utf8'), /^MIT License/)
})

test('the helper has types', () => {
  const [types] = Object.values(manifest.exports['./helper']) as string[]

  assert.match(readFileSync(join(root, types!), 'utf8'), /export declare function issueToken\(identity: Identity/)
})

for (const { version, program } of runtimes()) {
  const run = (...args: string[]) => spawnSync(program, [bin, ...args], { cwd: folder, encoding: 'utf8', env: {} })
  const start = async (t: TestContext, ...flags: string[]): Promise<RunningCable> => {
    const settings = { ANYCABLE_SECRET: SECRET }
    const cable = await startCable(['--noauth', ...flags], { settings, program: [program, bin, 'cable'] })
    t.after(() => cable.stop())
    return cable
  }
  const http = ({ url }: RunningCable) => url.replace('ws', 'http').replace('/cable', '')

  test(`Node ${version}: every command of the package loads, and prints its help`, () => {
    const { stdout, stderr } = run('--help')
    const commands = [...stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name!)

    assert.equal(stderr, '')
    assert.ok(commands.length >= 5)
    for (const name of commands) {
      const { status, stdout, stderr } = run(name, '--help')
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, new RegExp(`^Usage: hotcable ${name}`))
    }
    assert.equal(run('--version').stdout, `${manifest.version}\n`)
    assert.match(run('secret').stdout, /^ANYCABLE_SECRET=/)
    writeFileSync(join(folder, 'settings.toml'), '[server]\nport = 9100\n')
    const file = ['--config-path=settings.toml', '--print-config']
    assert.match(run('cable', '--noauth', ...file).stdout, /^port = 9100$/m)
    assert.equal(run('helper', 'go').stdout, readFileSync('backends/go/hotcable.go', 'utf8'))
  })

  test(`Node ${version}: a client of the package's cable gets a broadcast of the package's helper`, async t => {
    const cable = await start(t)
    const client = await connect(t, cable.url)
    assert.equal((await client.next()).type, 'welcome')
    const ask = (code: string) =>
      execFileSync(program, ['--input-type=module', '-e', `import * as helper from 'hotcable/helper'; ${code}`], {
        cwd: folder,
        encoding: 'utf8',
        env: { ANYCABLE_SECRET: SECRET, ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast },
      })
    const identifier = {
      channel: 'Turbo::StreamsChannel',
      signed_stream_name: ask(`console.log(helper.signStream('a'))`).trim(),
    }
    assert.equal((await client.subscribe(JSON.stringify(identifier))).type, 'confirm_subscription')

    ask(`await helper.broadcast('a', helper.turboStream('append', 'cards', '<li>Hello</li>'))`)

    assert.match(String((await client.next()).message), /<template><li>Hello<\/li><\/template>/)
  })

  const hasSqlite = version >= 'v22.13'

  test(`Node ${version}: the package ${hasSqlite ? 'publishes the rows of an outbox in SQLite' : 'says that an outbox in SQLite needs a newer Node'}`, async t => {
    const outbox = `--outbox=sqlite:${join(folder, `${version}.sqlite`)}`
    const { status, stderr } = run('outbox', '--apply', outbox)
    if (!hasSqlite) {
      assert.equal(status, 1)
      return assert.match(stderr, /SQLite needs Node 22\.13 or later; this is v/)
    }
    assert.deepEqual([status, stderr.replaceAll(/^.*(ExperimentalWarning|--trace-warnings).*\n/gm, '')], [0, ''])
    const cable = await start(t, '--public_streams', '--broadcast_adapter=http,outbox', outbox)
    while ((await (await fetch(`${http(cable)}/ready`)).text()) !== 'ready') await pause(20)
    const client = await connect(t, cable.url)
    assert.equal((await client.next()).type, 'welcome')
    await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }))
    const database = new DatabaseSync(outbox.replace('--outbox=sqlite:', ''))
    database.exec(`INSERT INTO hotcable_outbox (publication) VALUES ('{"stream":"a","data":"1"}')`)
    database.close()

    assert.equal((await client.next()).message, 1)
  })

  test(`Node ${version}: the package publishes the rows of an outbox in PostgreSQL`, { skip: NO_POSTGRES }, async t => {
    const client = new pg.Client(postgres!.url)
    await client.connect()
    t.after(() => client.end())
    await client.query(`CREATE SCHEMA "${version}"`)
    const outbox = `--outbox=${postgres!.url}?schema=${version}`
    const { status, stderr } = run('outbox', '--apply', outbox)
    assert.deepEqual([status, stderr], [0, ''])
    const cable = await start(t, '--public_streams', '--broadcast_adapter=http,outbox', outbox)
    while ((await (await fetch(`${http(cable)}/ready`)).text()) !== 'ready') await pause(20)
    const page = await connect(t, cable.url)
    assert.equal((await page.next()).type, 'welcome')
    await page.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }))
    await client.query(`INSERT INTO "${version}".hotcable_outbox (publication) VALUES ('{"stream":"a","data":"1"}')`)

    assert.equal((await page.next()).message, 1)
  })

  test(`Node ${version}: the package reads broadcasts from Redis`, { skip: NO_REDIS }, async t => {
    const redis = await startRedis(t)
    const cable = await start(t, '--public_streams', '--broadcast_adapter=http,redis', `--redis_url=${redis.url}`)
    const client = await connect(t, cable.url)
    assert.equal((await client.next()).type, 'welcome')
    await client.subscribe(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }))
    await redis.cli('PUBLISH', '__anycable__', '{"stream":"a","data":"\\"Hello\\""}')

    assert.equal((await client.next()).message, 'Hello')
  })

  test(`Node ${version}: the package asks an app over gRPC`, async t => {
    const app = await startRpcApp(t, 'grpc')
    const cable = await start(t, `--rpc_host=${app.host}`)
    const client = await connect(t, cable.url)
    await client.welcomed()

    await client.confirmed(channel())
  })

  test(`Node ${version}: a broadcast reaches the clients of both workers of the package's cable`, async t => {
    const cable = await start(t, '--public_streams', '--workers=2', '--metrics_http=/metrics')
    const clients = []
    let workers: string[] = []
    while (workers.filter(line => /[1-9]$/.test(line)).length < 2) {
      const client = await connect(t, cable.url)
      assert.equal((await client.next()).type, 'welcome')
      await client.confirmed(JSON.stringify({ channel: '$pubsub', stream_name: 'a' }))
      clients.push(client)
      const metrics = await (await fetch(`${http(cable)}/metrics`)).text()
      workers = metrics.split('\n').filter(line => line.startsWith('hotcable_worker_clients_num{'))
    }

    const headers = { authorization: `Bearer ${KEY}` }
    const body = '{"stream":"a","data":"\\"Hello\\""}'
    assert.equal((await fetch(cable.broadcast, { method: 'POST', headers, body })).status, 201)

    for (const client of clients) assert.equal((await client.next()).message, 'Hello')
  })

  test(`Node ${version}: the cable of the package serves every route to a client that offers HTTP/2`, async t => {
    const cable = await start(t, '--metrics_http=/metrics')
    const ask = async (line: string, body = '') => {
      const raw = openRaw(t, cable.url)
      const head = [
        `${line} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB`,
        `Authorization: Bearer ${KEY}\r\nContent-Length: ${body.length}\r\n\r\n`,
      ]
      raw.write(head.join('\r\n') + body)
      return Number((await raw.until(/\r\n\r\n/)).split(' ')[1])
    }

    for (const [line, status] of [
      ['GET /health', 200],
      ['GET /ready', 200],
      ['GET /metrics', 200],
      ['GET /hotcable.js', 200],
      ['GET /cable/hotcable-streams.js', 200],
      ['GET /nowhere', 404],
    ] as const)
      assert.equal(await ask(line), status, line)
    assert.equal(await ask('POST /_broadcast', '{"stream":"a","data":"\\"x\\""}'), 201)
    const WEBSOCKET = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const raw = openRaw(t, cable.url)
    raw.write(`GET /cable HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n${WEBSOCKET}\r\n`)
    assert.match(await raw.until(/\r\n\r\n/), /^HTTP\/1\.1 101 /)
  })

  test(`Node ${version}: the package has the scripts of pages, even in an app that has an esbuild`, async t => {
    const esbuild = join(folder, 'node_modules/esbuild')
    mkdirSync(esbuild, { recursive: true })
    writeFileSync(join(esbuild, 'index.js'), `throw new Error('not this one')`)
    const cable = await start(t)

    for (const name of ['hotcable.js', 'hotcable-streams.js', 'hotcable.js.map']) {
      const answer = await fetch(`${http(cable)}/${name}`)
      assert.equal(answer.status, 200)
      assert.equal(await answer.text(), readFileSync(join(root, 'dist/built', name), 'utf8'))
    }
    assert.deepEqual(run('helper', 'script', 'public').status, 0)
    assert.equal(
      readFileSync(join(folder, 'public/hotcable.js'), 'utf8'),
      readFileSync(join(root, 'dist/built/hotcable.js'), 'utf8'),
    )
  })
}

test('hotcable.js passes the check of helpers on the oldest Node', () => {
  const source = readFileSync('backends/typescript/adapter.ts', 'utf8').replaceAll('./hotcable.ts', 'hotcable/helper')
  writeFileSync(join(folder, 'adapter.mjs'), stripTypeScriptTypes(source))

  const check = ['backends/check/main.ts', runtimes()[0]!.program, join(folder, 'adapter.mjs')]
  const { status, stdout, stderr } = spawnSync(process.execPath, check, { encoding: 'utf8' })

  assert.equal(status, 0, `${stdout}${stderr}`)
})

test('an older Node prints one line', () => {
  const old = `--import=data:text/javascript,Object.defineProperty(process.versions,'node',{value:'18.20.8'})`
  const { status, stderr } = spawnSync(process.execPath, [old, bin, 'secret'], { encoding: 'utf8' })

  assert.equal(status, 1)
  assert.match(stderr, /^hotcable needs Node 20\.12 or newer, and this is v[^\n]*\n$/)
})

test('the cable of the package takes the option of V8 that halves its memory, in the same process', {
  skip: process.execve ? false : 'this Node has no execve',
}, async t => {
  const { child, stop } = await startCable(['--noauth'], { program: [bin, 'cable'] })
  t.after(() => stop())

  assert.match(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8'), /--max-semi-space-size=8/)
})
