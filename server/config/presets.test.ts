import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from './read.ts'

const read = (env: Record<string, string>, ...argv: string[]) => readConfig(['--secret=s', ...argv], env)

test('on Fly and on Heroku the cable listens on all interfaces, unless the operator names a host', () => {
  for (const [env, host] of [
    [{ FLY_APP_NAME: 'x' }, '0.0.0.0'],
    [{ DYNO: 'web.1', PORT: '5000' }, '0.0.0.0'],
    [{ HEROKU_APP_ID: 'x', PORT: '5000' }, '0.0.0.0'],
    [{ DYNO: 'run.1' }, '127.0.0.1'],
    [{ PORT: '5000' }, '127.0.0.1'],
    [{ FLY_APP_NAME: '' }, '127.0.0.1'],
    [{ FLY_APP_NAME: 'x', ANYCABLE_HOST: '::1' }, '::1'],
  ] as const)
    assert.equal(read(env).host, host, JSON.stringify(env))
  assert.equal(read({ FLY_APP_NAME: 'x' }, '--host=127.0.0.1').host, '127.0.0.1')
})

test('on a platform with one port, backends with a key broadcast to the port of the clients', () => {
  const { settings, broadcastPort, broadcastKeys, api, warnings } = read({ DYNO: 'web.1', PORT: '5000' })

  assert.deepEqual([settings.port, broadcastPort, broadcastKeys.length, api?.port], [5000, 'main', 1, 'main'])
  assert.deepEqual(warnings, [])
})

test('--presets replaces the preset of the platform that the cable recognizes', () => {
  const fly = { FLY_APP_NAME: 'x' }
  const hostAndPresets = (env: Record<string, string>, ...argv: string[]) => {
    const { host, presets } = read(env, ...argv)
    return [host, presets.join()]
  }

  assert.deepEqual(hostAndPresets(fly), ['0.0.0.0', 'fly'])
  assert.deepEqual(hostAndPresets({ DYNO: 'web.1', PORT: '1' }), ['0.0.0.0', 'heroku'])
  assert.deepEqual(hostAndPresets(fly, '--presets=none'), ['127.0.0.1', ''])
  assert.deepEqual(hostAndPresets({ ...fly, ANYCABLE_PRESETS: 'none' }), ['127.0.0.1', ''])
  assert.deepEqual(hostAndPresets({}, '--presets=fly, broker'), ['0.0.0.0', 'fly,broker'])
  assert.deepEqual(hostAndPresets({}, '--presets=heroku', '--host=::1'), ['::1', 'heroku'])
  assert.equal(read({}, '--presets=broker').settings.broker, 'memory')
  assert.equal(read({}, '--presets=broker', '--broker=none').settings.broker, 'none')
  assert.throws(() => read({}, '--presets=flyy'), { message: '--presets must be one of none, broker, fly, heroku' })
})
