import assert from 'node:assert/strict'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { certificate, openssl } from '../../testing/certificate.ts'
import { ConfigInvalid, readConfig } from '../config/read.ts'
import { startCable } from './test-cable.ts'

test('with a certificate the cable serves clients, health and broadcasts over TLS', async t => {
  const [cert, key] = certificate(t)
  const cable = await startCable(t, ['--noauth', `--ssl_cert=${cert}`, `--ssl_key=${key}`])

  assert.match(cable.url.cable, /^wss:/)
  assert.match(cable.url.broadcast, /^https:/)
  const ws = new WebSocket(cable.url.cable, ['actioncable-v1-json'], { rejectUnauthorized: false })
  t.after(() => ws.terminate())
  const [data] = await once(ws, 'message')
  assert.equal(JSON.parse(String(data)).type, 'welcome')
})

test('the cable reports an unusable certificate or key with its file and the reason', t => {
  const [[cert, key], [, other]] = [certificate(t), certificate(t)]
  const locked = join(dirname(key), 'locked.pem')
  openssl('pkey', '-in', key, '-aes256', '-passout', 'pass:canary', '-out', locked)
  const problems = (cert: string, key: string): readonly string[] => {
    try {
      readConfig(['--noauth', `--ssl_cert=${cert}`, `--ssl_key=${key}`], {})
    } catch (error) {
      if (error instanceof ConfigInvalid) return error.problems
      throw error
    }
    return []
  }

  assert.deepEqual(problems(cert, key), [])
  assert.deepEqual(problems('/nope', key), ['--ssl_cert /nope cannot be read: the file does not exist'])
  assert.deepEqual(problems(cert, dirname(key)), [`--ssl_key ${dirname(key)} cannot be read: it is a folder`])
  assert.deepEqual(problems(key, key), [`--ssl_cert ${key} does not begin with a certificate (PEM)`])
  for (const unusable of [cert, locked])
    assert.deepEqual(problems(cert, unusable), [
      `--ssl_key ${unusable} is not a private key (PEM) without a passphrase`,
    ])
  assert.deepEqual(problems(cert, other), [`--ssl_key ${other} is not the key of --ssl_cert ${cert}`])
})
