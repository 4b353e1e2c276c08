import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { printConfigFile, readConfigFile } from './config-file.ts'
import { FILE_KEYS } from './file-keys.ts'
import { ConfigInvalid, readConfig, readValues } from './read.ts'
import { SETTINGS, type SettingName, type Values } from './settings.ts'

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

async function load(t: TestContext, toml: string, argv: readonly string[] = [], env = {}) {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'anycable.toml'), toml)
  const { settings } = await readConfigFile(argv, folder)
  return readConfig(argv, env, undefined, settings)
}

const problemsOf = async (t: TestContext, toml: string): Promise<readonly string[]> => {
  try {
    await load(t, `noauth = true\n${toml}`)
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.problems.map(withoutFolder)
    throw error
  }
  return []
}

const withoutFolder = (sentence: string): string => sentence.replace(/\S+\/anycable\.toml/, 'anycable.toml')

/** As AnyCable prints its files: each part, also those that are off, with many defaults. */
const PRINTED_BY_ANYCABLE = `
noauth = true
node_id = "node-1"
secret = "file-secret"
broadcast_adapters = ["http"]
presets = ["broker"]
[server]
host = "127.0.0.3"
port = 2024
allowed_origins = "app.example.com, *.example.org"
max_conn = 50
health_path = "/up"
[logging]
level = "warn"
format = "json"
debug = false
[rpc]
host = "localhost:50051"
proxy_headers = ["cookie"]
concurrency = 28
[broker]
adapter = "memory"
history_ttl = 60
[jwt]
param = "token"
force = true
[streams]
presence = false
pubsub_channel = "$pubsub"
turbo = true
turbo_secret = "t"
[ws]
paths = ["/cable", "/live"]
read_buffer_size = 1024
max_pending_size = 5000
[sse]
enabled = true
path = "/sse"
[pusher]
app_id = ""
[ds]
enabled = false
[api]
port = 0
path = "/rest"
[redis]
url = "redis://localhost:6379"
max_reconnect_attempts = 5
[nats]
servers = "nats://127.0.0.1:4222"
[http_broadcast]
port = 0
path = "/b"
[metrics]
http = "/m"
tags.env = "production"
tags.node_id = "xyz"
rotate_interval = 15
log_filter = [ "clients_num", "client_msg_total" ]
log = true
statsd.prefix = "anycable_go."
[app]
ping_interval = 4
disconnect_mode = "auto"
[disconnector]
rate = 100
backlog = 4096
[embedded_nats]
enabled = false
`

test('a file of AnyCable has the same meaning in this cable', async t => {
  const config = await load(t, PRINTED_BY_ANYCABLE)
  const { settings } = config

  assert.deepEqual([config.noauth, config.host, config.enforceJwt, config.jwtParam], [true, '127.0.0.3', true, 'token'])
  assert.deepEqual([config.jwtSecrets, config.turbo?.secrets, config.presence], [['file-secret'], ['t'], false])
  assert.deepEqual([settings.port, settings.path, settings['health-path']], [2024, ['/cable', '/live'], '/up'])
  assert.deepEqual([settings.allowed_origins, settings.max_sessions], [['app.example.com', '*.example.org'], 50])
  assert.deepEqual([settings.log_level, settings.log_format, settings.ping_interval], ['warn', 'json', 4])
  assert.deepEqual([settings.history_ttl, settings.ws_max_pending_size, settings.sse_path], [60, 5000, '/sse'])
  assert.deepEqual([config.api?.port, settings.api_path, config.broadcastPort], ['main', '/rest', 'main'])
  assert.deepEqual([settings.metrics_http, settings.metrics_log_filter], ['/m', ['clients_num', 'client_msg_total']])
  assert.deepEqual(settings.metrics_tags, [
    ['env', 'production'],
    ['node_id', 'xyz'],
  ])
  assert.deepEqual([config.presets, settings.sse], [['broker'], true])
  assert.deepEqual(config.warnings.map(withoutFolder), [
    'node_id in anycable.toml has no effect here: no line of the log names the node: --metrics_tags labels metrics',
  ])
})

test('each key of RPC in a file of AnyCable has its effect, and a backlog of disconnects a warning', async t => {
  const toml = `noauth = true
[rpc]
implementation = "http"
host = "http://app.test/_anycable"
proxy_headers = ["cookie", "origin"]
proxy_cookies = ["a", "b"]
concurrency = 5
secret = "key"
request_timeout = 9
command_timeout = 10
max_recv_size = 7
max_send_size = 8
[disconnector]
rate = 7
backlog = 5
`
  const { rpc, warnings } = await load(t, toml)

  const { host, kind, headers, cookies, concurrency, key, attemptMs, commandMs, maxReceiveSize, maxSendSize, rate } =
    rpc!
  assert.deepEqual([host, kind, key], ['http://app.test/_anycable', 'http', 'key'])
  assert.deepEqual(
    [headers, cookies],
    [
      ['cookie', 'origin'],
      ['a', 'b'],
    ],
  )
  assert.deepEqual([concurrency, attemptMs, commandMs, maxReceiveSize, maxSendSize, rate], [5, 9, 10, 7, 8, 7])
  assert.deepEqual(
    warnings.map(warning => /^(\S+) in \S+ (has no effect)/.exec(warning)?.slice(1)),
    [['disconnector.backlog', 'has no effect']],
  )
  const older = await load(t, toml.replace('request_timeout = 9', 'http_request_timeout = 11'))
  assert.equal(older.rpc!.attemptMs, 11)
})

test("the file that AnyCable's generator writes for Rails without RPC works, but for its secret", async t => {
  const toml = `secret = "anycable-local-secret"
presets = ["broker"]
broadcast_adapters = ["http"]
[logging]
debug = true
[rpc]
implementation = "none"
[streams]
whisper = true
turbo = true
`
  const { turbo, whisper, settings, warnings } = await load(t, toml, [], { ANYCABLE_SECRET: 'own' })

  assert.deepEqual([turbo?.secrets, whisper, settings.log_level, warnings], [['own'], true, 'debug', []])
  assert.deepEqual((await load(t, toml, ['--dev'])).jwtSecrets, ['anycable-local-secret'])
  assert.deepEqual(await problemsOf(t, toml), ['--secret is a development secret: make your own, or set --dev'])
})

test('a file may name the usual port of metrics while metrics are off', async t => {
  const toml = 'noauth = true\n[server]\nport = 2024\n[metrics]\nport = '

  assert.deepEqual((await load(t, `${toml}2024`)).warnings, [])
  assert.deepEqual((await load(t, `${toml}2025`)).warnings, ['metrics_port has no effect without --metrics_http'])
})

test('a flag wins over a variable, a variable over the file, and the file over a preset', async t => {
  const toml = 'noauth = true\nsecret = "file"\n[server]\nport = 1\nhost = "127.0.0.3"\n[ws]\npaths = ["/file"]\n'
  const env = { ANYCABLE_PORT: '2', ANYCABLE_SECRET: 'variable', FLY_APP_NAME: 'x' }

  const { settings, jwtSecrets, host } = await load(t, toml, ['--port=3', '--path=/flag'], env)

  assert.deepEqual([settings.port, jwtSecrets, settings.path, host], [3, ['variable'], ['/flag'], '127.0.0.3'])
  assert.deepEqual(
    (await load(t, `${toml}max_pending_size = 1`, ['--ws_max_pending_size=2'])).settings.ws_max_pending_size,
    2,
  )
})

test('the table [hotcable] takes each setting by the name of its flag', async t => {
  const toml =
    '[hotcable]\nmax_sessions = 5\njwt_previous_secrets = ["a", "b"]\nready-path = "/r"\n[jwt]\nsecret = "s"\n'
  const { settings, jwtSecrets } = await load(t, toml)

  assert.deepEqual([settings.max_sessions, jwtSecrets, settings['ready-path']], [5, ['s', 'a', 'b'], '/r'])
  assert.deepEqual(await problemsOf(t, '[hotcable]\nmax_session = 5'), [
    'hotcable.max_session in anycable.toml is not a setting of this cable',
  ])
})

test('a mistake in a file is a sentence that names the key, and repeats nothing of the file', async t => {
  for (const [toml, expected] of [
    ['[server]\nport = "canary"', 'server.port in anycable.toml must be a whole number from 0 to 65535'],
    [
      'broadcast_adapters = ["http", "nats"]',
      'broadcast_adapters in anycable.toml has nats, which this cable does not have: set it to http',
    ],
    ...['123', 'true', '["canary"]', '{ canary = "a" }', '1979-05-27', '[[]]'].map(value => [
      `secret = ${value}`,
      'secret in anycable.toml must be a text in quotes',
    ]),
    [
      '[hotcable]\njwt_previous_secrets = [1]',
      'hotcable.jwt_previous_secrets in anycable.toml must be a text in quotes',
    ],
    [
      '[server]\nhost = ["::1"]',
      'server.host in anycable.toml must be a text, a number, true, false, or a list of texts',
    ],
    [
      '[server]\nport = 1979-05-27',
      'server.port in anycable.toml must be a text, a number, true, false, or a list of texts',
    ],
    [
      '[ws]\npaths = [["/canary"]]',
      'ws.paths in anycable.toml must be a text, a number, true, false, or a list of texts',
    ],
    ['secret = canary', 'anycable.toml is not TOML: line 2, column 10'],
    ['secret = "canary', 'anycable.toml is not TOML: line 2, column 10'],
    ['[server]\nport = 99999999999999999999', 'anycable.toml is not TOML: line 3, column 8'],
  ] as const) {
    const problems = await problemsOf(t, toml)
    assert.doesNotMatch(problems.join(), /canary/)
    assert.deepEqual(problems, [expected], toml)
  }
})

test('an unknown key is a warning, and so is a key that switches on a part that this cable does not have', async t => {
  const toml = `noauth = true
colour = "red"
[nats]
servers = "nats://canary@nats:4222"
[metrics]
statsd.host = "localhost:8125"
[streams]
pubsub_channel = "x"
[__proto__]
port = 1
[constructor]
prototype = 1
[rpc]
secret = "canary"
`
  const { warnings, settings } = await load(t, toml)

  assert.deepEqual(
    warnings.map(warning => /^(\S+) in \S+ (is not a setting|has no effect)/.exec(warning)?.slice(1)),
    [
      ['colour', 'is not a setting'],
      ['nats.servers', 'has no effect'],
      ['metrics.statsd.host', 'has no effect'],
      ['streams.pubsub_channel', 'is not a setting'],
      ['__proto__.port', 'is not a setting'],
      ['constructor.prototype', 'is not a setting'],
    ],
  )
  assert.doesNotMatch(warnings.join(), /canary/)
  assert.equal(settings.port, 8080)
})

test('the file is that of --config-path, or the usual one, or none with --ignore-config-path', async t => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'anycable.toml'), 'secret = "usual"')
  writeFileSync(join(folder, 'other.toml'), 'secret = "other"')
  mkdirSync(join(folder, 'empty'))
  const secretBy = async (argv: string[], at = folder) =>
    (await readConfigFile(argv, at)).settings.texts.get('secret')?.[1]

  assert.equal(await secretBy([]), 'usual')
  assert.equal(await secretBy(['--config-path=other.toml']), 'other')
  assert.equal(await secretBy(['--config-path', join(folder, 'other.toml')]), 'other')
  assert.equal(await secretBy(['--ignore-config-path']), undefined)
  assert.equal(await secretBy(['--ignore-config-path', '--config-path=other.toml']), undefined)
  assert.equal(await secretBy(['--ignore-config-path=false']), 'usual')
  assert.equal(await secretBy([], join(folder, 'empty')), undefined)
  for (const path of ['nope.toml', 'empty']) {
    const { settings } = await readConfigFile([`--config-path=${path}`], folder)
    assert.match(settings.problems.join(), new RegExp(`/${path} cannot be read: (ENOENT|EISDIR)$`))
  }
})

test('each key stands for a flag, and each setting of AnyCable has a key', () => {
  const flags = new Set(FILE_KEYS.values())
  const names = (Object.keys(SETTINGS) as SettingName[]).filter(
    name => SETTINGS[name].prefix === 'ANYCABLE' && !('newer' in SETTINGS[name]),
  )

  assert.deepEqual(
    names.filter(name => !flags.has(name)),
    ['turbo_rails_cleartext', 'cable_ready_cleartext', 'norpc', 'disable_disconnect'],
  )
})

test('a printed file reads back as the same settings', async t => {
  for (const [argv, env] of [
    [[], {}],
    [['--public', '--debug', '--sse', '--metrics_tags=env:production,node_id:x y', '--path=/a,/b'], {}],
    [['--secret=s3cЯeT "\\\\\\n\\u007f', '--turbo_rails_key=k', '--jwt_id_key=j', '--jwt_previous_secrets=a,b'], {}],
    [['--allowed_origins=a.test,*.b.test', '--http_broadcast_port=0', '--api_port=0', '--metrics_port=0'], {}],
    [['--broadcast_adapter=outbox', '--outbox=postgres://u:p%40w@h/d', '--redis_url=redis://:pw@h'], {}],
    [['--presets=fly,broker', '--max-conn=7', '--max_sessions=9', '--history_since=false', '--broker=none'], {}],
    [
      ['--metrics_log_filter=a,b', '--http_broadcast_secret=x', '--streams_presence=false'],
      { PORT: '9', DYNO: 'web.1' },
    ],
  ] as [string[], NodeJS.ProcessEnv][]) {
    const values: Values = readValues(argv, env)
    const folder = folderOf(t)
    const printed = await printConfigFile(values)
    writeFileSync(join(folder, 'anycable.toml'), printed)

    const { settings } = await readConfigFile([], folder)

    assert.deepEqual(settings.warnings, [])
    assert.deepEqual(readValues([], {}, undefined, settings), values, printed)
  }
})

test('--print-config prints the settings even if they contradict each other', async () => {
  assert.equal((await readConfigFile(['--print-config'], '/nope')).isToPrint, true)
  assert.equal(await printConfigFile(readValues(['--print-config', '--port=9'], {})), '[server]\nport = 9\n')
  assert.throws(() => readValues(['--port=x'], {}), ConfigInvalid)
})
