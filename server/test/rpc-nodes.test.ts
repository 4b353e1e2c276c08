/**
 * Nodes that share sessions: an application hears that a client has gone from the node that had it last.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, visit } from '../../testing/rpc-script.ts'
import { counted, METRICS, token } from './test-cable.ts'
import { startNodes } from './two-nodes.ts'

test('a client that resumes its session on another node is one client for the app, lost or not', async t => {
  const app = await startRpcApp(t)
  const flags = [`--rpc_host=${app.host}`, '--http_rpc_secret=none', '--presence_ttl=1', METRICS]
  const nodes = await startNodes(t, 1, flags)
  const [first, second] = nodes.map(({ cable }) => cable) as [(typeof nodes)[0]['cable'], (typeof nodes)[0]['cable']]
  const ada = visit({ identifiers: '{"user":"ada"}' })
  const chat = channel({ streams: ['chat'], env: { istate: { n: '1' } } })
  const client = await first.welcomed({ protocols: EXTENDED, query: ada })
  await client.confirmed(chat)
  while (nodes[0].sessions.get(client.welcome.sid!)?.identifiers.length !== 1) await pause(10)

  const moved = await second.welcomed({ protocols: EXTENDED, query: `${ada}&sid=${client.welcome.sid}` })
  assert.deepEqual(moved.welcome.restored_ids, [chat])
  await client.closed
  while (nodes[0].sessions.get(moved.welcome.sid!)?.identifiers.length !== 1) await pause(10)
  await moved.drop()
  await second.until(({ sessions }) => sessions === 0)
  const back = await first.welcomed({ protocols: EXTENDED, query: `${ada}&sid=${moved.welcome.sid}` })
  assert.deepEqual(back.welcome.restored_ids, [chat])
  while ((await counted(second, 'disconnect_queue_size')) > 0) await pause(50)
  back.command('message', chat, act({ transmissions: ['{"n":1}'] }))
  await back.until(({ n }) => n === 1)
  assert.deepEqual(app.calls.at(-1)!.request.env.istate, { n: '1' })
  await back.drop()

  const { sid, request } = await app.called('disconnect')
  assert.deepEqual([sid, request.subscriptions], [back.welcome.sid, [chat]])
  assert.deepEqual(
    app.calls.map(({ method, request }) => request.command || method),
    ['connect', 'subscribe', 'connect', 'connect', 'message', 'disconnect'],
  )
})

test('the state of a connection goes to the next node, whatever command has changed it', async t => {
  const app = await startRpcApp(t)
  const nodes = await startNodes(t, 1, [`--rpc_host=${app.host}`, '--http_rpc_secret=none', METRICS])
  const query = `?jid=${token({ ext: '{"user":"ada"}' })}`
  const client = await nodes[0].cable.welcomed({ protocols: EXTENDED, query })
  const sid = client.welcome.sid!
  const stored = async (name: string) => {
    while (nodes[0].sessions.get(sid)?.app?.cstate[name] === undefined) await pause(10)
  }
  const change = (name: string) => ({ env: { cstate: { [name]: '1' } } })
  client.subscribe(channel({ status: 2, ...change('rejected') }))
  await stored('rejected')
  assert.equal(nodes[0].sessions.get(sid)?.app?.isKnown, true)
  const [chat, left] = [channel(), channel({}, { name: 'LeftChannel', atEnd: change('left') })]
  for (const identifier of [chat, left]) client.subscribe(identifier)
  client.command('message', chat, act(change('acted')))
  await stored('acted')
  client.command('unsubscribe', left)
  await stored('left')

  const moved = await nodes[1].cable.welcomed({ protocols: EXTENDED, query: `${query}&sid=${sid}` })
  moved.command('message', chat, act({ transmissions: ['{"n":1}'] }))
  await moved.until(({ n }) => n === 1)
  assert.deepEqual(app.calls.at(-1)!.request.env.cstate, { rejected: '1', acted: '1', left: '1' })
})
