import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startCable } from './testing.ts'

test('with a certificate everything is TLS: clients, health and broadcasts', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  )
  const cable = await startCable(t, ['--noauth', `--ssl_cert=${cert}`, `--ssl_key=${key}`])

  assert.match(cable.url.cable, /^wss:/)
  assert.match(cable.url.broadcast, /^https:/)
  const ws = new WebSocket(cable.url.cable, ['actioncable-v1-json'], { rejectUnauthorized: false })
  t.after(() => ws.terminate())
  const [data] = await once(ws, 'message')
  assert.equal(JSON.parse(String(data)).type, 'welcome')
})
