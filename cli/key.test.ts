import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { broadcastKey } from '../backends/typescript/hotcable.ts'
import { SECRET, startCable } from '../server/test/test-cable.ts'
import { folder, hotcable } from './testing.ts'

test('key prints the keys with which a cable with this secret lets backends in', async t => {
  const cable = await startCable(t)
  const statusOf = async (url: string, name: string): Promise<number> => {
    const { code, stdout, stderr } = await hotcable(['key', name], { env: { ANYCABLE_SECRET: SECRET } })
    assert.deepEqual([code, stderr], [0, ''])
    return (await fetch(url, { headers: { authorization: `Bearer ${stdout.trimEnd()}` } })).status
  }
  const position = `${cable.url.broadcast}/position`

  assert.equal(await statusOf(position, 'broadcast'), 200)
  assert.equal(await statusOf(position, 'api'), 401)
})

test('each key is another one, and the secret may be in .env', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), `ANYCABLE_SECRET=${SECRET}\n`)

  const called = await Promise.all(
    ['broadcast', 'api', 'subscribe', 'rpc'].map(name => hotcable(['key', name], { cwd })),
  )

  const keys = called.map(({ stdout }) => stdout.trimEnd())
  assert.equal(keys[0], broadcastKey({ secret: SECRET }))
  assert.equal(new Set(keys).size, 4)
  for (const key of keys) assert.match(key, /^[0-9a-f]{64}$/)
})

test('key without a secret, and with another name, prints what is missing', async t => {
  const cwd = folder(t)

  const bare = await hotcable(['key', 'broadcast'], { cwd })
  const [other, none, two] = [
    await hotcable(['key', 'jwt']),
    await hotcable(['key']),
    await hotcable(['key', 'api', 'rpc']),
  ]

  assert.deepEqual([bare.code, bare.stdout], [1, ''])
  assert.match(bare.stderr, /^hotcable: no secret from which a key derives: set ANYCABLE_SECRET /)
  for (const { code, stderr } of [other, none, two]) {
    assert.equal(code, 2)
    assert.match(stderr, /^hotcable key needs the name of one key: broadcast, api, subscribe, rpc \(see /)
  }
})
