/** The app that answers a cable in the tests of RPC does what its scripts and its faults say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRpcApp } from './rpc-app.ts'
import { channel } from './rpc-script.ts'

test('the app of the tests answers by the script, keeps the calls, and breaks on demand', async t => {
  const app = await startRpcApp(t, 'http', { secret: 's' })
  const post = (method: string, body: object, key = 's') =>
    fetch(`${app.host}/${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'x-anycable-meta-sid': '1' },
      body: JSON.stringify(body),
    })
  const identifier = channel({ status: 2, streams: ['a'] })

  const rejected = await (await post('command', { command: 'subscribe', identifier })).json()

  const transmissions = [JSON.stringify({ type: 'reject_subscription', identifier })]
  assert.deepEqual(rejected, { status: 2, transmissions, streams: ['a'] })
  const { request, sid } = await app.called('command')
  assert.deepEqual([request.identifier, sid], [identifier, '1'])
  assert.equal((await post('disconnect', {}, 'other')).status, 401)
  app.before = () => 'unavailable'
  assert.equal((await post('disconnect', {})).status, 503)
  app.before = () => 'drop'
  await assert.rejects(post('disconnect', {}))
  await app.stop()
  await app.start()
  app.before = () => undefined
  assert.equal((await post('disconnect', {})).status, 200)
})
