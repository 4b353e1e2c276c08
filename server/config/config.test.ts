import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { ConfigInvalid, readConfig } from './read.ts'

const problems = (argv: string[], env = {}): readonly string[] => {
  try {
    readConfig(argv, env)
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.problems
    throw error
  }
  return []
}

test('a flag wins over the environment, which wins over the default; an empty variable counts as unset', () => {
  const port = (argv: string[], env = {}) => readConfig(['--noauth', ...argv], env).settings.port

  assert.equal(port([]), 8080)
  assert.equal(port([], { PORT: '1' }), 1)
  assert.equal(port([], { PORT: '1', ANYCABLE_PORT: '2' }), 2)
  assert.equal(port(['--port=3'], { ANYCABLE_PORT: '2' }), 3)
  assert.equal(port([], { ANYCABLE_PORT: '' }), 8080)
})

test('flags may be written as Go programs take them', () => {
  for (const argv of [['--port=3'], ['--port', '3'], ['-port=3'], ['-port', '3']])
    assert.equal(readConfig([...argv, '--noauth'], {}).settings.port, 3)
  assert.equal(readConfig(['--noauth'], {}).noauth, true)
  assert.equal(readConfig(['--noauth=false', '--secret=s'], { ANYCABLE_NOAUTH: 'true' }).noauth, false)
  assert.equal(readConfig(['--noauth', '--health-path=/up'], {}).settings['health-path'], '/up')
  assert.equal(readConfig(['--noauth'], { ANYCABLE_HEALTH_PATH: '/up' }).settings['health-path'], '/up')
})

test('one secret is enough: tokens and streams use it, the broadcast key derives from it', () => {
  const config = readConfig(['--secret=qwerty'], {})

  assert.equal(config.jwtSecrets[0], 'qwerty')
  assert.equal(config.streamsSecrets[0], 'qwerty')
  assert.equal(config.broadcastKeys[0], '42923a28b760e667fc92f7c6123bb07a282822b329dd2ef48e7aee7830d98485')
  assert.equal(config.broadcastPort, 'main')
  assert.equal(config.turbo, undefined, '--secret alone must not serve Turbo, or Rails with RPC would be refused')
})

test("the guide's names work: an older flag for a key switches on the channel of that key", () => {
  const config = readConfig(
    ['--jwt_id_key=some-secret-key', '--turbo_rails_key=s3cЯeT', '--broadcast_adapter=http'],
    {},
  )

  assert.equal(config.jwtSecrets[0], 'some-secret-key')
  assert.deepEqual(config.turbo, { secrets: ['s3cЯeT'], cleartext: false })
  assert.deepEqual(config.broadcastKeys, [])
  assert.equal(config.broadcastPort, 8090)
  const { jwtSecrets, turbo } = readConfig([], { ANYCABLE_JWT_ID_KEY: 'a', ANYCABLE_TURBO_RAILS_KEY: 'b' })
  assert.deepEqual([jwtSecrets, turbo], [['a'], { secrets: ['b'], cleartext: false }])
})

test('the secret_key_base of a Rails application is enough: Turbo verifies with the keys that Rails derives from it', () => {
  const { turbo, noauth, enforceJwt, streamsSecrets, warnings } = readConfig([], {
    HOTCABLE_RAILS_SECRET_KEY_BASE: 'canary secret key base Я',
  })

  // By Rails 7.2, with the defaults of 7.2 and of 6.1.
  assert.deepEqual(
    turbo?.secrets.map(key => key.toString('hex')),
    [
      'e0d0c7fa743214139ea441c9d55f83fbb3562292eecf76eac0bd8661d4297fdebf64b6ce02981551009409cb3e7a644cb23c6b958eeda94c950613bbb393fc86',
      '879853f59b2f01bc62570c84428b58e59606bb7c9403eddc05d562d3f5a8c080cd2e1b5c85ef0fec739bbed1167dac3986c949f25abe3adbfaf76d75666d5235',
    ],
  )
  assert.deepEqual([noauth, enforceJwt, streamsSecrets], [true, false, []])
  assert.match(warnings.join(), /rails_secret_key_base without --jwt_secret/)
})

test('a secret_key_base neither opens Turbo to names of other channels nor admits clients without a token where tokens are read', () => {
  const config = readConfig(['--secret=s', '--rails_secret_key_base=b'], {})
  assert.equal(config.noauth, false)
  assert.ok(config.turbo?.secrets.every(key => typeof key !== 'string'))

  const both = readConfig(['--secret=s', '--turbo_streams', '--rails_secret_key_base=b'], {})
  assert.equal(both.turbo?.secrets[0], 's')
  assert.equal(both.turbo?.secrets.length, 3)
  assert.equal(readConfig(['--secret=s', '--rails_secret_key_base=none'], {}).turbo, undefined)
  assert.equal(problems(['--rails_secret_key_base=b', '--enforce_jwt']).length, 1)
  assert.equal(problems(['--rails_secret_key_base=development']).length, 1)
})

test('a newer name wins over an older one, and a specific secret over the shared one', () => {
  const config = readConfig(
    [
      '--secret=s',
      '--jwt_secret=j',
      '--jwt_id_key=old',
      '--streams_secret=st',
      '--turbo_streams',
      '--turbo_rails_key=tr',
      '--turbo_streams_secret=ts',
    ],
    {},
  )

  assert.deepEqual([config.jwtSecrets[0], config.streamsSecrets[0], config.turbo?.secrets[0]], ['j', 'st', 'ts'])
  assert.equal(readConfig(['--secret=s', '--turbo_streams'], {}).turbo?.secrets[0], 's')
  assert.equal(readConfig(['--secret=s', '--broadcast_key=k'], {}).broadcastKeys[0], 'k')
})

test('the value none means no secret, in every setting', () => {
  const config = readConfig(
    ['--noauth', '--secret=none', '--streams_secret=none', '--broadcast_key=none', '--api_secret=none'],
    {},
  )

  assert.deepEqual(
    [config.jwtSecrets, config.streamsSecrets, config.broadcastKeys, config.broadcastPort, config.api],
    [[], [], [], 8090, undefined],
  )
  assert.equal(readConfig(['--secret=s', '--api_secret=none'], {}).api, undefined)
  assert.deepEqual(readConfig(['--secret=s', '--broadcast_key=none'], {}).broadcastKeys, [])
})

test('--public drops the broadcast key, so broadcasts leave the clients’ port', () => {
  const config = readConfig(['--public', '--secret=s'], {})

  assert.deepEqual(
    [config.noauth, config.publicStreams, config.broadcastKeys, config.broadcastPort],
    [true, true, [], 8090],
  )
})

test('a key is the UTF-8 bytes of the setting', () => {
  const { broadcastKeys } = readConfig(['--secret=s3cЯeT'], {})

  assert.equal(
    broadcastKeys[0],
    createHmac('sha256', Buffer.from('s3cЯeT', 'utf8')).update('broadcast-cable').digest('hex'),
  )
})

test('cleartext names require tokens, and the cable warns about them', () => {
  const config = readConfig(['--turbo_rails_cleartext', '--jwt_id_key=k', '--noauth'], {})

  assert.equal(config.enforceJwt, true)
  assert.match(config.warnings.join(), /unsigned/)
  assert.match(problems(['--turbo_rails_cleartext']).join(), /need --jwt_secret/)
})

test('the cable reports every problem at once, and no message repeats a value', () => {
  const found = problems([
    '--port=70000',
    '--prot=1',
    '--turbo_streams',
    '--enforce_jwt',
    '--log_level=loud',
    'stray',
    '--path=cable',
    '--bogus=hunter2',
  ])

  assert.equal(found.length, 8)
  for (const name of [
    '--port must be a whole number',
    '--prot is not a setting of this cable, did you mean --port?',
    '--turbo_streams needs',
    '--enforce_jwt needs',
    '--log_level must be one of',
    'argument 6 is not a flag',
    '--path must begin with /',
    '--bogus is not a setting of this cable (see --help)',
  ]) {
    assert.ok(
      found.some(problem => problem.startsWith(name)),
      name,
    )
  }
  assert.doesNotMatch(found.join(), /70000|loud|stray|hunter2/)
})

test('the cable refuses the development secrets of the samples without --dev', () => {
  assert.match(problems(['--secret=development-only-change-me']).join(), /--secret is a development secret/)
  assert.deepEqual(problems(['--secret=development-only-change-me', '--dev']), [])
})

test('a cable that no client could connect to does not start', () => {
  for (const argv of [[], ['--secret=none'], ['--turbo_streams_secret=s', '--broadcast_key=k']])
    assert.match(problems(argv).join(), /^no client can connect: set ANYCABLE_SECRET .* or set --noauth/)

  for (const argv of [['--noauth'], ['--public'], ['--secret=s'], ['--jwt_id_key=s'], ['--rails_secret_key_base=s']])
    assert.deepEqual(problems(argv), [])
})

test('broadcasts without a key do not share the clients’ port, unless clients need no token', () => {
  const sentence = /^broadcasts need a key on the clients' port: set --broadcast_key .* --http_broadcast_port/
  for (const argv of [
    ['--secret=s', '--broadcast_key=none', '--http_broadcast_port=8080'],
    ['--jwt_secret=s', '--port=8090'],
    ['--rails_secret_key_base=s', '--port=3', '--http_broadcast_port=3'],
    ['--secret=s', '--noauth', '--enforce_jwt', '--broadcast_key=none', '--http_broadcast_port=8080'],
  ]) {
    assert.equal(problems(argv).length, 1, argv.join(' '))
    assert.match(problems(argv)[0]!, sentence)
  }

  for (const argv of [
    ['--public', '--http_broadcast_port=8080'],
    ['--noauth', '--port=8090'],
    ['--secret=s', '--http_broadcast_port=8080'],
    ['--secret=s', '--broadcast_key=none', '--http_broadcast_port=8081'],
    ['--jwt_secret=s', '--port=0', '--http_broadcast_port=0'],
  ])
    assert.deepEqual(problems(argv), [], argv.join(' '))
})

test('a REST API without a key does not share the clients’ port, unless clients need no token', () => {
  const tokens = ['--jwt_secret=a', '--turbo_streams_secret=b']
  const open = problems([...tokens, '--port=8080', '--api_port=8080'])

  assert.equal(open.length, 1)
  assert.match(open[0]!, /^the REST API needs a key on the clients' port: set --api_secret .* --api_port/)
  for (const argv of [
    [...tokens, '--api_port=8080', '--api_secret=k'],
    [...tokens, '--api_port=8081'],
    [...tokens, '--port=0', '--api_port=0'],
    ['--secret=s', '--api_port=8080'],
    ['--noauth', '--api_port=8080'],
  ])
    assert.deepEqual(problems(argv), [], argv.join(' '))
})

test('a warning names each port without a key that other machines may reach', () => {
  const warned = (...argv: string[]) => readConfig(['--jwt_secret=s', ...argv], {}).warnings.join()

  for (const [host, address] of [
    ['0.0.0.0', '0.0.0.0:8090'],
    ['::', '[::]:8090'],
    ['cable.internal', 'cable.internal:8090'],
  ])
    assert.ok(warned(`--host=${host}`).startsWith(`broadcasts need no key on ${address}: set --broadcast_key`))
  assert.match(
    warned('--host=0.0.0.0', '--broadcast_key=k', '--api_port=1'),
    /^the REST API needs no key on 0.0.0.0:1:/,
  )
  assert.match(warned('--host=0.0.0.0', '--noauth', '--http_broadcast_port=8080'), /^broadcasts .* on 0.0.0.0:8080:/)
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) assert.equal(warned(`--host=${host}`), '')
  assert.equal(warned('--host=0.0.0.0', '--broadcast_adapter=redis'), '')
  assert.equal(readConfig(['--secret=s', '--host=0.0.0.0', '--api_port=1'], {}).warnings.join(), '')
})

test('former secrets verify after the present one, and without one they open nothing', () => {
  const config = readConfig(
    [
      '--secret=s',
      '--turbo_streams',
      '--jwt_previous_secrets=a, b',
      '--streams_previous_secrets=c',
      '--broadcast_previous_keys=d',
      '--api_previous_secrets=e',
    ],
    {},
  )

  assert.deepEqual(config.jwtSecrets, ['s', 'a', 'b'])
  assert.deepEqual(
    [config.streamsSecrets, config.turbo?.secrets],
    [
      ['s', 'c'],
      ['s', 'c'],
    ],
  )
  assert.deepEqual([config.broadcastKeys[1], config.api?.keys[1]], ['d', 'e'])
  assert.deepEqual(
    readConfig(['--noauth', '--jwt_previous_secrets=a', '--broadcast_previous_keys=d'], {}).jwtSecrets,
    [],
  )
  assert.match(problems(['--secret=s', '--jwt_previous_secrets=development-only']).join(), /jwt_previous_secrets/)
})

test('the cable warns about a variable that only AnyCable reads, and not about those of the helpers', () => {
  const { warnings } = readConfig(['--noauth'], { ANYCABLE_PUBSUB: 'x', ANYCABLE_HTTP_BROADCAST_URL: 'y', HOME: '/' })

  assert.equal(warnings.length, 1)
  assert.match(warnings[0]!, /^ANYCABLE_PUBSUB has no effect here: /)
})

test('a misspelt variable of ours is an error that names the right one', () => {
  for (const [name, advice] of [
    ['HOTCABLE_MAX_SESSION', 'did you mean HOTCABLE_MAX_SESSIONS?'],
    ['HOTCABLE_HISTORY_SINC', 'did you mean HOTCABLE_HISTORY_SINCE?'],
    ['HOTCABLE_SECRET', 'did you mean ANYCABLE_SECRET?'],
    ['HOTCABLE_PORT', 'did you mean ANYCABLE_PORT?'],
    ['HOTCABLE_COLOUR_OF_LOG', 'remove it from the environment'],
    ['HOTCABLE_REDIS_URL', 'did you mean ANYCABLE_REDIS_URL?'],
  ] as const)
    assert.deepEqual(problems(['--noauth'], { [name]: 'x' }), [`${name} is not a variable of this cable: ${advice}`])

  const { warnings } = readConfig(['--noauth'], { ANYCABLE_SECRETT: 'hunter2' })
  assert.match(warnings.join(), /^ANYCABLE_SECRETT is not .* did you mean ANYCABLE_SECRET\?$/)
})

test('the cable accepts variables of the Boards, of Kubernetes, and empty ones', () => {
  const env = {
    HOTCABLE_DB: 'x',
    HOTCABLE_CABLE_URL: 'x',
    HOTCABLE_BOARD_PYTHON_URL: 'x',
    HOTCABLE_SERVICE_HOST: '10.0.0.1',
    HOTCABLE_SERVICE_PORT_HTTP: '8080',
    HOTCABLE_PORT: 'tcp://10.0.0.1:8080',
    HOTCABLE_PORT_8080_TCP_ADDR: '10.0.0.1',
    HOTCABLE_WEB_PORT_3000_TCP: 'tcp://10.0.0.2:3000',
    HOTCABLE_NOTHING: '',
  }

  assert.deepEqual(readConfig(['--noauth'], env).warnings, [])
})

test('the error for a flag without a value gives an example', () => {
  for (const argv of [['--metrics_http'], ['--metrics_http', '--noauth']])
    assert.equal(problems(['--secret=s', ...argv])[0], '--metrics_http needs a value: --metrics_http=/metrics')
  assert.deepEqual(problems(['--noauth', '--ssl_cert']), ['--ssl_cert needs a value: --ssl_cert=/etc/ssl/cable.pem'])
  assert.deepEqual(readConfig(['--secret', '-dashed'], {}).jwtSecrets, ['-dashed'])
})

test('several workers do not have --dev, and their number is a number or auto', () => {
  const found = (...flags: string[]) => problems(['--secret=qwerty', ...flags]).join()

  assert.equal(found('--workers=4'), '')
  assert.equal(found('--workers=auto'), '')
  assert.match(found('--workers=0'), /^--workers must be /)
  assert.match(found('--workers=2', '--dev'), /^--workers does not work with --dev/)
})

test('two routes do not share a path of a port', () => {
  assert.deepEqual(problems(['--noauth', '--health-path=/cable']), [
    '--path and --health-path are both /cable: give each its own path',
  ])
  for (const argv of [
    ['--sse', '--sse_path=/cable'],
    ['--metrics_http=/health'],
    ['--ready-path=/health'],
    ['--http_broadcast_path=/api', '--secret=s'],
    ['--path=/cable,/api/stats', '--secret=s'],
    ['--sse', '--sse_path=/_broadcast/position', '--secret=s'],
  ])
    assert.equal(problems(['--noauth', ...argv]).length, 1, argv.join(' '))

  for (const argv of [
    ['--sse_path=/cable'],
    ['--path=/cable,/cable'],
    ['--http_broadcast_path=/api', '--secret=s', '--api_port=1'],
    ['--http_broadcast_path=/cable'],
  ])
    assert.deepEqual(problems(['--noauth', ...argv]), [], argv.join(' '))
})

test('a certificate needs its key, and the name of a file is not a secret', () => {
  assert.match(problems(['--noauth', '--ssl_cert=a.pem']).join(), /need each other/)
  const found = problems(['--noauth', '--ssl_cert=/srv/development/c.pem', '--ssl_key=/srv/development/k.pem'])
  assert.deepEqual(found, ['--ssl_cert /srv/development/c.pem cannot be read: the file does not exist'])
})

test('a setting of metrics that nothing shows is reported', () => {
  for (const flag of ['--metrics_port=1', '--metrics_host=::1', '--metrics_tags=a:b'])
    assert.match(
      readConfig(['--noauth', flag], {}).warnings.join(),
      /^metrics_\w+ has no effect without --metrics_http$/,
    )
  assert.deepEqual(readConfig(['--noauth', '--metrics_log_filter=a'], {}).warnings, [
    'metrics_log_filter has no effect without --metrics_log',
  ])
  assert.deepEqual(readConfig(['--noauth', '--metrics_port=1', '--metrics_http=/metrics'], {}).warnings, [])
})

test('metrics on the host of all other ports share their listeners, and not on another one', () => {
  const read = (...argv: string[]) => {
    const { metricsPort, metricsHost } = readConfig(['--noauth', '--metrics_http=/metrics', ...argv], {})
    return [metricsPort, metricsHost]
  }

  assert.deepEqual(read(), ['main', undefined])
  assert.deepEqual(read('--metrics_port=8080'), ['main', undefined])
  assert.deepEqual(read('--metrics_port=9090'), [9090, undefined])
  assert.deepEqual(read('--metrics_host=localhost', '--host=127.0.0.1'), ['main', undefined])
  assert.deepEqual(read('--metrics_host=0.0.0.0'), [8080, '0.0.0.0'])
  assert.deepEqual(read('--metrics_host=0.0.0.0', '--metrics_port=9090'), [9090, '0.0.0.0'])
  assert.match(problems(['--noauth', '--metrics_http=/api', '--secret=s']).join(), /both \/api/)
  assert.deepEqual(problems(['--noauth', '--metrics_http=/cable', '--metrics_port=9090']), [])
  for (const tags of ['a', 'a:', ':b', '1a:b', '__name__:x', 'le:1', 'code:x', 'a b:c'])
    assert.match(problems(['--noauth', `--metrics_tags=${tags}`]).join(), /^--metrics_tags must be name:value/, tags)
})

test('the database of an outbox is a file of SQLite or a URL of PostgreSQL, and a refusal does not repeat it', () => {
  const flags = (url: string) => ['--noauth', '--broadcast_adapter=http,outbox', `--outbox=${url}`]
  for (const url of [
    'sqlite:a b',
    'postgres://u:p@h:5/d?sslmode=require',
    'postgresql:///d',
    'postgres://u@/d?host=/run',
  ])
    assert.deepEqual(problems(flags(url)), [])
  for (const url of ['sqlite:', 'postgres:', 'postgres://', 'mysql://u:canary@h/d', 'postgres://u:canary@h:port/d'])
    assert.match(problems(flags(url)).join(), /^--outbox must be sqlite:PATH, or postgres:[^%]*%40$/)
})

test('a setting that cannot be read is reported once, and not as one that is missing', () => {
  for (const [argv, name] of [
    [['--noauth', '--broadcast_adapter=http,outbox', '--outbox=x'], '--outbox'],
    [['--rpc_host=a b'], '--rpc_host'],
    [['--noauth', '--jwt_issuer=i', '--jwks_url=x'], '--jwks_url'],
    [['--noauth', '--subscribe_streams=a', '--subscribe_url=x'], '--subscribe_url'],
  ] as const)
    assert.match(problems([...argv]).join('\n'), new RegExp(`^${name} must be .*$`))
  assert.match(problems(['--noauth', '--broadcast_adapter=http,outbox']).join(), /which needs --outbox/)
})
