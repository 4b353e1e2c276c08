/** An application with channels behind a cable of several processes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, visit } from '../../testing/rpc-script.ts'
import { again, clientsOfBoth, startWorkers, stats } from './worker-cable.ts'

test('the app gets the calls of all workers, and hears of each client once', async t => {
  const app = await startRpcApp(t)
  const flags = ['--workers=2', `--rpc_host=${app.host}`, '--http_rpc_secret=none', '--presence_ttl=1']
  const cable = await startWorkers(t, flags)
  const clients = await clientsOfBoth(cable, 6)
  const chat = channel({ streams: ['chat'], env: { istate: { n: '1' } } })
  for (const client of clients) await client.confirmed(chat)
  await cable.broadcast('chat', 'hello')
  for (const client of clients) {
    await client.until(({ message }) => message === 'hello')
    client.command('message', chat, act({ transmissions: ['{"n":1}'] }))
    await client.until(({ n }) => n === 1)
  }
  const { sessions } = await stats(cable)
  assert.equal(await cable.stop(), 0)

  const gone = app.calls.filter(({ method }) => method === 'disconnect').map(({ sid }) => sid)
  assert.deepEqual([sessions, gone.toSorted()], [clients.length, clients.map(({ sid }) => sid).toSorted()])
})

test('a session that goes on in another worker is one client for the app', async t => {
  const app = await startRpcApp(t)
  const flags = ['--workers=2', `--rpc_host=${app.host}`, '--http_rpc_secret=none', '--presence_ttl=1']
  const cable = await startWorkers(t, flags)
  const ada = visit({ identifiers: '{"user":"ada"}' })
  const chat = channel({ streams: ['chat'] })
  let client = await cable.client({ query: ada })
  await client.confirmed(chat)
  for (let moves = 0; moves < 6; moves++) {
    await client.drop()
    client = await again(cable, client.sid, ada)
    assert.deepEqual(client.welcome.restored_ids, [chat])
  }
  await client.drop()

  assert.equal((await app.called('disconnect')).sid, client.sid)
  assert.equal(app.calls.filter(({ method }) => method !== 'connect').length, 2)
})
