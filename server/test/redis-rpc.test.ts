/** The application's channels on a node that shares a real Redis. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXTENDED } from '../../testing/client.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, visit } from '../../testing/rpc-script.ts'
import { startRedisCable } from './redis-nodes.ts'

test('an action that changes the streams of a subscription that is ahead of its node needs no message of them', {
  skip: NO_REDIS,
}, async t => {
  const app = await startRpcApp(t)
  const redis = await startRedis(t)
  const cable = await startRedisCable(t, redis, [`--rpc_host=${app.host}`, '--http_rpc_secret=none'])
  await redis.cli('HINCRBY', 'hotcable:broker:life', 'offset', '1000')
  const client = await cable.welcomed({ protocols: EXTENDED, query: visit() })
  const chat = channel({ streams: ['chat'] }, { position: await cable.position() })
  await client.confirmed(chat)
  client.command('message', chat, act({ streams: ['more'], transmissions: ['{"n":1}'] }))

  await client.until(({ n }) => n === 1)
  assert.equal((await cable.post({ stream: 'more', data: '"live"' })).status, 201)
  assert.equal((await client.next()).message, 'live')
})
