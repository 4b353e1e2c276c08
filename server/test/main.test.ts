import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { freePorts } from '../../start/network.ts'
import { connect } from '../../testing/client.ts'
import { LEAK, sign, token } from './test-cable.ts'

const MAIN = new URL('../main.ts', import.meta.url).pathname

function run(
  t: TestContext,
  argv: string[],
  env: Record<string, string> = {},
): {
  child: ChildProcess
  output: () => string
  until: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Its exit code, after it ended and the test read all of its output. */
  ended: Promise<number | null>
} {
  const child = spawn(process.execPath, [MAIN, ...argv], { env: { PATH: process.env.PATH, ...env } })
  let output = ''
  t.after(() => {
    child.kill('SIGKILL')
    assert.doesNotMatch(output, LEAK)
  })
  let heard = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
      heard.resolve()
      heard = Promise.withResolvers()
    })
  }
  let hasEnded = false
  const ended = once(child, 'close').then(([code]) => {
    hasEnded = true
    heard.resolve()
    return code as number | null
  })
  const until = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(output)
      if (match) return match
      if (hasEnded) throw new Error(`exit ${await ended}: ${output}`)
      await heard.promise
    }
  }
  return { child, output: () => output, until, ended }
}

const GUIDE = { jwt: 'canary-some-secret-key', turbo: 'canary-s3cЯeT' }
const jid = () => token({ ext: '{"user_id":42}', exp: Math.floor(Date.now() / 1000) + 300 }, GUIDE.jwt)

for (const [how, argv, env] of [
  ['flags', [`--jwt_id_key=${GUIDE.jwt}`, `--turbo_rails_key=${GUIDE.turbo}`, '--broadcast_adapter=http'], {}],
  [
    'environment',
    [],
    { ANYCABLE_JWT_ID_KEY: GUIDE.jwt, ANYCABLE_TURBO_RAILS_KEY: GUIDE.turbo, ANYCABLE_BROADCAST_ADAPTER: 'http' },
  ],
] as const) {
  test(`the guide's setup works word for word, by ${how}`, async t => {
    const { until } = run(t, [...argv, '--port=0', '--http_broadcast_port=0'], env)
    const [, cable] = await until(/clients connect to (\S+)/)
    const [, broadcast] = await until(/backends broadcast to (\S+)/)
    const client = await connect(t, cable!, { query: `?jid=${jid()}` })
    assert.equal((await client.next()).type, 'welcome')
    const identifier = JSON.stringify({
      channel: 'Turbo::StreamsChannel',
      signed_stream_name: sign('chat/1', GUIDE.turbo),
    })
    assert.equal((await client.subscribe(identifier)).type, 'confirm_subscription')

    const { status } = await fetch(broadcast!, {
      method: 'POST',
      body: JSON.stringify({ stream: 'chat/1', data: '"<b>hi</b>"' }),
    })

    assert.equal(status, 201)
    assert.equal((await client.next()).message, '<b>hi</b>')
  })
}

test('with --turbo_rails_cleartext names are plain, a token is required, and the log warns', async t => {
  const { until } = run(t, [
    `--jwt_id_key=${GUIDE.jwt}`,
    '--turbo_rails_cleartext',
    '--port=0',
    '--http_broadcast_port=0',
  ])
  await until(/WRN.*unsigned/)
  const [, cable] = await until(/clients connect to (\S+)/)
  const [without, client] = [await connect(t, cable!), await connect(t, cable!, { query: `?jid=${jid()}` })]

  assert.equal((await without.next()).reason, 'unauthorized')
  assert.equal((await client.next()).type, 'welcome')
  const identifier = JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: 'chat/1' })
  assert.equal((await client.subscribe(identifier)).type, 'confirm_subscription')
})

test('the cable lists every problem, starts nothing, and exits with 1', async t => {
  const { ended, output } = run(t, ['--enforce_jwt', '--turbo_streams', '--nonsense'])
  const code = await ended

  assert.equal(code, 1)
  assert.deepEqual(output().trim().split('\n').length, 3)
  for (const name of ['--enforce_jwt', '--turbo_streams', '--nonsense']) assert.ok(output().includes(`cable: ${name}`))
})

test('the cable exits with one line if its settings admit no client', async t => {
  const { ended, output } = run(t, [])
  const code = await ended

  assert.equal(code, 1)
  assert.match(output(), /^cable: no client can connect: [^\n]*\n$/)
})

test('--help and --version answer and exit with 0', async t => {
  for (const [flag, pattern] of [
    ['--help', /--turbo_streams_secret/],
    ['--version', /^\d+\.\d+\.\d+\n$/],
  ] as const) {
    const { ended, output } = run(t, [flag])
    const code = await ended
    assert.equal(code, 0)
    assert.match(output(), pattern)
  }
})

test('the cable reports a port in use in one line, which names the settings', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const appNeeds =
    '; with another port, the app needs ANYCABLE_WEBSOCKET_URL and ANYCABLE_HTTP_BROADCAST_URL with that port, in .env as well'
  for (const [flags, names, fix = ''] of [
    [[`--port=${port}`], '--port', appNeeds],
    [['--port=0', `--http_broadcast_port=${port}`], '--http_broadcast_port'],
    [['--port=0', '--http_broadcast_port=0', `--api_port=${port}`], '--api_port'],
    [['--port=0', `--http_broadcast_port=${port}`, `--api_port=${port}`], '--http_broadcast_port, --api_port'],
    [['--port=0', '--http_broadcast_port=0', '--metrics_http=/metrics', `--metrics_port=${port}`], '--metrics_port'],
  ] as const) {
    const { ended, output } = run(t, ['--noauth', ...flags])
    const code = await ended

    assert.equal(code, 1)
    assert.equal(output(), `cable: cannot listen on 127.0.0.1:${port} (${names}): the port is in use${fix}\n`)
  }
})

test('the cable reports a host of another machine in one line', async t => {
  for (const [host, reason] of [
    ['192.0.2.1', 'this machine does not have that address'],
    ['nowhere.invalid', 'the host does not exist'],
  ]) {
    const { ended, output } = run(t, ['--noauth', '--port=0', `--host=${host}`])
    const code = await ended

    assert.equal(code, 1)
    assert.match(output(), new RegExp(`^.*WRN.*\\ncable: cannot listen on ${host}:\\d+ \\(--host\\): ${reason}\\n$`))
  }
})

test('the cable reports an address of metrics that it cannot have, with the setting of that address', async t => {
  for (const host of ['192.0.2.1', 'nowhere.invalid']) {
    const flags = ['--port=0', '--http_broadcast_port=0', '--metrics_http=/metrics', `--metrics_host=${host}`]
    const { ended, output } = run(t, ['--noauth', ...flags])

    assert.equal(await ended, 1)
    assert.match(
      output(),
      new RegExp(`^cable: cannot listen on ${host}:\\d+ \\(--metrics_host\\): this machine|the host`),
    )
  }
})

test('--print-config prints a file that starts the same cable, and flags of AnyCable alone are named in the log', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'cable-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'anycable.toml')
  const flags = ['--noauth', '--port=0', '--sse', '--http_broadcast_port=0', '--metrics_http=/m', '--presets=broker']
  const printing = run(t, [...flags, '--print-config'])
  assert.equal(await printing.ended, 0)
  writeFileSync(file, printing.output())

  const { output, until } = run(t, [`--config-path=${file}`, '--hub_gopool_size=4'])

  const [, metrics] = await until(/Prometheus reads metrics at (\S+)/)
  assert.equal((await fetch(metrics!)).status, 200)
  assert.ok(output().includes(`read settings from ${file}`))
  assert.match(output(), /presets are in force presets=broker\n/)
  assert.match(output(), /WRN --hub_gopool_size has no effect here: this cable works on one event loop/)
})

test('a flag of AnyCable that counts on an absent part stops the start with its reason, beside every other mistake', async t => {
  const { ended, output } = run(t, [
    '--noauth',
    '--nats_servers=nats://canary',
    '--statsd_host=x',
    '--config-path=/nope.toml',
  ])

  assert.equal(await ended, 1)
  assert.deepEqual(
    output()
      .trim()
      .split('\n')
      .map(line => /^cable: (\S+ \w+ \w+)/.exec(line)?.[1]),
    ['/nope.toml cannot be', '--nats_servers is refused', '--statsd_host is refused'],
  )
})

test('SIGTERM tells clients to come back, and exits with 0 although one never answers', async t => {
  const { child, ended, until } = run(t, ['--noauth', '--port=0', '--http_broadcast_port=0', '--shutdown_timeout=20'])
  const [, cable] = await until(/clients connect to (\S+)/)
  const [polite, mute] = [await connect(t, cable!), await connect(t, cable!)]
  await Promise.all([polite.next(), mute.next()])
  mute.ws.pause()

  child.kill('SIGTERM')

  assert.deepEqual(await polite.next(), { type: 'disconnect', reason: 'server_restart', reconnect: true })
  assert.equal((await polite.closed).code, 1001)
  assert.equal(await ended, 0)
})

/** The refusals of a client without a token; the cable logs a line for each. */
async function refused(t: TestContext, cable: string, times: number): Promise<void> {
  for (let n = 0; n < times; n++) assert.equal((await (await connect(t, cable)).next()).reason, 'unauthorized')
}

test('a log on a full disk does not end the cable', { skip: !existsSync('/dev/full') }, async t => {
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const [port] = await freePorts(1)
  const child = spawn(process.execPath, [MAIN, '--secret=canary', `--port=${port}`], {
    stdio: ['ignore', full, 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const health = () => fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined)
  while ((await health()) === undefined) assert.equal(child.exitCode, null)

  await refused(t, `ws://127.0.0.1:${port}/cable`, 3)

  assert.equal((await health())!.status, 200)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('the cable survives the reader of its log, and logs to the next reader', {
  skip: process.platform === 'win32',
}, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'cable-'))
  const fifo = join(directory, 'log')
  execFileSync('mkfifo', [fifo])
  const sh = ['-c', 'exec "$0" "$@" >"$LOG"', process.execPath, MAIN, '--secret=canary', '--port=0']
  const child = spawn('sh', sh, { stdio: 'inherit', env: { ...process.env, LOG: fifo } })
  const head = spawn('head', ['-n', '2', fifo], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => {
    for (const one of [child, head]) one.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })
  const [, cable] = /clients connect to (\S+)/.exec(await text(head.stdout))!

  await refused(t, cable!, 3)
  const cat = spawn('cat', [fifo], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => cat.kill('SIGKILL'))
  const told = text(cat.stdout)
  // The log loses each line until the next reader has opened the pipe.
  let reading = false
  cat.stdout.once('data', () => {
    reading = true
  })
  while (!reading) await refused(t, cable!, 1)
  await refused(t, cable!, 1)

  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.match(await told, /WRN log lines were lost: [^\n]* lines=\d+\n/)
})
