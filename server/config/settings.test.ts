/** Every setting with every odd value: the cable starts with it, or refuses it in a sentence that names the setting. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCable } from '../cable.ts'
import { createLog } from '../log.ts'
import type { Config } from './config.ts'
import { ConfigInvalid, readConfig } from './read.ts'
import { envNames, isSecret, SETTINGS, type SettingName } from './settings.ts'

const NAMES = Object.keys(SETTINGS) as SettingName[]

const ODD = [
  ...['', ' ', '\t\n', ',', ' , ,', 'a,', ',a', 'none', 'true', 'yes', 'null', 'undefined', '-', '--', '=', '%', '%00'],
  ...['0', '-0', '-1', '+1', '1', '007', '1e3', '1.5', '1_000', '0x10', ' 1', '1 ', 'NaN', 'Infinity', '１', '8080'],
  ...['65536', '2147483647', '2147483648', '4294967296', '9007199254740991', '9007199254740993', '9'.repeat(400)],
  ...['/', '//', '/a/', '/a//b', '/./a', '/../a', '/:x', '/{x}', '/a*', '/a?b=c', '/a#b', '/a b', '/é', '/%61', 'a/b'],
  ...['localhost', '[::1]', '::1', '::', '127.0.0.1:80', 'http://app.test', 'https://u:p@app.test/', 'ftp://app.test'],
  ...['*', '*.', '.', 'app.test:443', 'app.test/', 'app test', 'null,*.example.com', '/etc', '/etc/passwd', '/nope'],
  ...[
    'canary',
    'canary\0',
    '-----BEGIN PRIVATE KEY-----canary',
    '__proto__',
    'x'.repeat(100_000),
    '{"a":[1]}',
    '😀',
    '\ud800',
  ],
]

const log = createLog('error', 'text')
const BASE = ['--secret=s', '--noauth', '--port=0', '--http_broadcast_port=0', '--shutdown_timeout=0']
const without = (name: string) => BASE.filter(flag => flag !== `--${name}` && !flag.startsWith(`--${name}=`))

for (const name of NAMES) {
  test(`the cable accepts every odd value of --${name}, or refuses it in a sentence`, async () => {
    const [variable = ''] = envNames(name)
    for (const value of ODD) {
      await startOrSay(name, [...without(name), `--${name}=${value}`])
      readOrSay(name, without(name), { [variable]: value })
      if (SETTINGS[name].shape !== '') readOrSay(name, [...without(name), `--${name}`, value])
    }
    readOrSay(name, [...without(name), `--${name}`])
  })
}

/** Reads the settings, or checks the sentences that refuse them. */
function readOrSay(name: SettingName, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Config | undefined {
  const given = JSON.stringify([argv.slice(-2), env]).slice(0, 200)
  try {
    return readConfig(argv, env)
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw new Error(given, { cause: error })
    const names = [`--${name}`, ...envNames(name)]
    assert.ok(
      error.problems.some(problem => names.some(each => problem.includes(each))),
      `${given}: ${error.problems.join()}`,
    )
    for (const problem of error.problems) assert.doesNotMatch(problem, /canary|\n|x{99}/, given)
    return undefined
  }
}

/** Also starts a cable with the settings, unless closing it would take as long as the setting says. */
async function startOrSay(name: SettingName, argv: readonly string[]): Promise<void> {
  const config = readOrSay(name, argv)
  if (config !== undefined && !isSecret(name) && name !== 'shutdown_delay') await createCable(config, { log }).close()
}

test('every setting with secret or key in its name is a secret, except for the name of a file and a public key', () => {
  const others = ['ssl_key', 'jwt_public_key', 'redis_tls_client_key_path']
  const named = NAMES.filter(name => /secret|key/.test(name) && !others.includes(name))

  assert.deepEqual(NAMES.filter(isSecret), named)
})

test('the cable refuses a value that a router, a browser, ws or fetch would misread', () => {
  for (const [flag, reason] of [
    ['--sse_path=/:x', 'must begin with /'],
    ['--path=/cable,/{tenant}/cable', 'must begin with /'],
    ['--health-path=/up?', 'must begin with /'],
    ['--metrics_http=/a/../b', 'must begin with /'],
    ['--ready-path=//ready', 'must begin with /'],
    ['--api_path=/api/', 'must not end with /'],
    ['--http_broadcast_path=/', 'must not end with /'],
    ['--path=', 'is blank'],
    ['--path=,', 'must have at least one entry'],
    ['--allowed_origins=,', 'must have at least one entry'],
    ['--allowed_origins=https://app.example.com', 'must be hosts, such as app.example.com'],
    ['--allowed_origins=app.example.com/', 'must be hosts'],
    ['--allowed_origins=app.example.com:443', 'must be hosts'],
    ['--allowed_origins=*.', 'must be hosts'],
    ['--host=127.0.0.1:8080', 'must be an address or a host name'],
    ['--heal_check=http://ada:pw@127.0.0.1/', 'must be an http(s) URL without a user name'],
    ['--max_message_size=4294967296', 'must be a whole number from 1 to 268435456'],
    ['--max_broadcast_size=1e6', 'must be a whole number'],
  ] as const) {
    const [name] = flag.split('=') as [string]
    assert.throws(
      () => readConfig(['--noauth', flag], {}),
      ({ problems }: ConfigInvalid) => problems.length === 1 && problems[0]!.startsWith(`${name} ${reason}`),
      flag,
    )
  }
})
