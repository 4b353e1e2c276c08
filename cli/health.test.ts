import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { certificate } from '../testing/certificate.ts'
import { settingsIn } from './health.ts'
import { folder, hotcable } from './testing.ts'

const healthy: RequestListener = ({ url }, response) => response.writeHead(url === '/health' ? 200 : 404).end()

async function listen(t: TestContext, server: ReturnType<typeof createServer>): Promise<string> {
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return String((server.address() as AddressInfo).port)
}

test('health exits with 0 if the cable answers, by flags, by variables or by anycable.toml', async t => {
  const port = await listen(t, createServer(healthy))

  assert.deepEqual(await hotcable(['health', '--noauth', `--port=${port}`]), { code: 0, stdout: 'ok\n', stderr: '' })
  const env = { ANYCABLE_SECRET: 'canary', ANYCABLE_HOST: '0.0.0.0', PORT: port }
  assert.equal((await hotcable(['health'], { env })).code, 0)
  const cwd = folder(t)
  writeFileSync(join(cwd, 'anycable.toml'), `noauth = true\n[server]\nport = ${port}\n`)
  assert.equal((await hotcable(['health'], { cwd })).code, 0)
})

test('health trusts the certificate of the cable, which names another host', async t => {
  const [cert, key] = certificate(t)
  const port = await listen(t, createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, healthy))

  const flags = ['--noauth', `--port=${port}`, `--ssl_cert=${cert}`, `--ssl_key=${key}`]
  assert.equal((await hotcable(['health', ...flags])).code, 0)
})

test('health exits with 1 and the reason if the cable does not answer, or answers otherwise', async t => {
  const port = await listen(t, createServer(healthy))
  const closed = createServer()
  const free = await listen(t, closed)
  closed.close()

  const other = await hotcable(['health', '--noauth', `--port=${port}`, '--health-path=/up'])
  assert.deepEqual(other, { code: 1, stdout: '', stderr: `hotcable health: http://127.0.0.1:${port}/up answers 404\n` })
  const silent = await hotcable(['health', '--noauth', `--port=${free}`])
  assert.equal(silent.code, 1)
  assert.match(silent.stderr, /^hotcable health: http:\S+ does not answer: .*ECONNREFUSED.*\n$/)
  assert.match((await hotcable(['health', '--port=none'])).stderr, /^hotcable health: --port must be /)
})

test('in a container health takes the flags of its cable', () => {
  const init = '/sbin/docker-init\0--\0node\0--max-semi-space-size=8\0/app/bin/hotcable.js\0cable\0--port=9000\0--dev\0'

  assert.deepEqual(settingsIn(init), ['--port=9000', '--dev'])
  assert.deepEqual(settingsIn('/sbin/init\0'), [])
  assert.deepEqual(settingsIn(''), [])
})
