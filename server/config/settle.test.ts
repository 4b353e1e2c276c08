import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './read.ts'
import { envNames, isSecret, SETTINGS, type SettingName } from './settings.ts'
import { OLDER_PAIRS, settle } from './settle.ts'

const rows = Object.entries(SETTINGS)

const VALUES: Record<string, readonly [string, string]> = { '': ['true', 'true'], SECONDS: ['7', '8'], MS: ['7', '8'] }

for (const { older, newer, outranks } of OLDER_PAIRS) {
  const [one, two] = VALUES[SETTINGS[newer].shape] ?? ['canary-one', 'canary-two']
  const used = outranks ? older : newer

  test(`the cable reports --${older} beside its newer name --${newer}, and uses --${used}`, () => {
    const sentence = `--${newer} and its older name --${older} are both set: the cable uses --${used}`
    const flags = readConfig(['--secret=s', `--${newer}=${one}`, `--${older}=${two}`], {})
    const mixed = readConfig(['--secret=s', `--${older}=${two}`], { [envNames(newer)[0]!]: one })

    assert.deepEqual([flags.warnings, mixed.warnings], [[sentence], [sentence]])
    for (const name of [newer, older]) assert.deepEqual(readConfig(['--secret=s', `--${name}=${one}`], {}).warnings, [])
    const given = new Map<SettingName, unknown>([
      [newer, one],
      [older, two],
    ])
    assert.equal(settle(given)[newer], outranks ? two : one)
  })

  test(`--${older} is written and read as --${newer}`, () => {
    assert.deepEqual(
      [SETTINGS[older].shape, SETTINGS[older].read, SETTINGS[older].prefix],
      [SETTINGS[newer].shape, SETTINGS[newer].read, SETTINGS[newer].prefix],
    )
  })
}

test('a newer name with the value none or false leaves the older one in force, and a warning says so', () => {
  const config = readConfig(['--jwt_secret=none', '--jwt_id_key=k', '--enforce_jwt=false', '--jwt_id_enforce'], {})

  assert.deepEqual([config.jwtSecrets, config.enforceJwt], [['k'], true])
  assert.match(config.warnings.join(), /uses --jwt_id_key,.*uses --jwt_id_enforce$/)
})

test('a setting implies only other settings, with values that they may have', () => {
  for (const [name, { implies }] of rows) {
    for (const [implied, value] of Object.entries(implies)) {
      const row = SETTINGS[implied as SettingName]
      assert.deepEqual(row.read(String(value)), value, `${name}: ${implied}`)
      assert.deepEqual(row.implies, {}, `${name}: what ${implied} implies would be lost`)
    }
  }
})

test('no code outside of config/ can read a raw setting that an older name, --public or another setting overrides', () => {
  const { settings } = readConfig(['--public', '--secret=s'], {})
  const overridden = new Set([
    ...OLDER_PAIRS.map(({ older }) => older),
    ...rows.flatMap(([, row]) => Object.keys(row.implies)),
  ])

  // @ts-expect-error The compiler refuses it as well.
  assert.equal(settings.noauth, undefined)
  for (const name of Object.keys(settings) as SettingName[])
    assert.ok(name === 'log_level' || (!overridden.has(name) && !isSecret(name)), name)
})

test('--debug is --log_level=debug', () => {
  assert.equal(readConfig(['--noauth', '--debug', '--log_level=error'], {}).settings.log_level, 'debug')
  assert.equal(readConfig(['--noauth', '--debug=false', '--log_level=error'], {}).settings.log_level, 'error')
})
