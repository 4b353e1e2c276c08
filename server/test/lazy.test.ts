/** A package that few cables need is loaded only by a cable that needs it. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { startCable } from '../../testing/cable.ts'
import { connect } from '../../testing/client.ts'
import { token } from './test-cable.ts'

const HOOK = `
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
registerHooks({
  resolve(specifier, context, next) {
    appendFileSync(process.env.LOADED, specifier + '\\n')
    return next(specifier, context)
  },
})`

/** Starts a cable, has a client refused or admitted, and returns which of the packages were loaded. */
async function loaded(t: TestContext, flags: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'loaded-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [file, toml] = [join(folder, 'loaded'), join(folder, 'anycable.toml')]
  writeFileSync(toml, '[sse]\nenabled = true\n')
  const cable = await startCable(['--http_broadcast_port=0', ...flags.map(flag => flag.replace('FILE', toml))], {
    settings: { LOADED: file },
    nodeFlags: [`--import=data:text/javascript,${encodeURIComponent(HOOK)}`],
  })
  t.after(() => cable.stop())
  await (await connect(t, `${cable.url}?jid=${token({ ext: 'ada' })}`)).next()
  const specifiers = readFileSync(file, 'utf8').split('\n')
  assert.ok(specifiers.includes('ws'))
  const rare = ['jose', 'smol-toml', '@redis/client', '@grpc/grpc-js', './session/app.ts', './grpc.ts']
  return rare.filter(name => specifiers.includes(name))
}

test('a cable with a secret, without a file of settings and without Redis loads neither jose nor the parser of files nor the client of Redis', async t => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' })

  assert.deepEqual(await loaded(t, ['--secret=canary-qwerty', '--ignore-config-path']), [])
  assert.deepEqual(
    await loaded(t, [
      `--jwt_public_key=${pem}`,
      '--config-path=FILE',
      '--broadcast_adapter=http,redis',
      '--redis_url=x:1',
    ]),
    ['jose', 'smol-toml', '@redis/client'],
  )
})

test('a cable loads the code of RPC, and its transport, only with --rpc_host', async t => {
  const flags = ['--secret=canary-qwerty', '--ignore-config-path']

  assert.deepEqual(await loaded(t, [...flags, '--rpc_host=localhost:1', '--norpc']), [])
  assert.deepEqual(await loaded(t, [...flags, '--rpc_host=http://localhost:1/_anycable']), ['./session/app.ts'])
  assert.deepEqual(await loaded(t, [...flags, '--rpc_host=localhost:1']), [
    ...['@grpc/grpc-js', './session/app.ts', './grpc.ts'],
  ])
})
