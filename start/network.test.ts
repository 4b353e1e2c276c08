import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { freePorts, isFree } from './network.ts'

test('free ports are free, and different', async () => {
  const ports = await freePorts(5)

  assert.equal(new Set(ports).size, 5)
  assert.ok(await isFree(ports[0]!))
})

test('a port that is taken on one address is not free on all addresses', async t => {
  const [port = 0] = await freePorts(1)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  t.after(() => server.close())

  assert.equal(await isFree(port), false)
  assert.equal(await isFree(port, '127.0.0.1'), false)
})
