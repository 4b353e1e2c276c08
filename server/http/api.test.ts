import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IN_REDIS, sign, startCable, type TestCable, turbo } from '../test/test-cable.ts'

const api = async (
  cable: TestCable,
  path: string,
  init: RequestInit = {},
  authorization = `Bearer ${cable.apiKey}`,
) => {
  const answer = await fetch(cable.url.api + path, { ...init, headers: { authorization } })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
}

test('the API requires its own key, and says so in JSON', async t => {
  const cable = await startCable(t)

  for (const path of ['/publish', '/streams', '/stats', '/presence/a/users', '/disconnect', '/nothing']) {
    const { status, body } = await api(cable, path, {}, `Bearer ${cable.key}`)
    assert.deepEqual([status, body.error], [401, 'unauthorized'], path)
  }
})

test('without a secret the API is off, unless it has a separate key or port', async t => {
  const flags = ['--noauth', '--secret=none', '--turbo_streams=false', '--http_broadcast_port=0']
  const [none, own] = [await startCable(t, flags), await startCable(t, [...flags, '--api_secret=own'])]

  assert.equal((await api(none, '/stats')).status, 404)
  assert.equal((await api(own, '/stats', {}, 'Bearer own')).status, 200)
})

test('/api/publish broadcasts, with the same answers as /_broadcast', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a'))

  assert.equal(
    (await api(cable, '/publish', { method: 'POST', body: JSON.stringify({ stream: 'a', data: '"x"' }) })).status,
    201,
  )
  assert.equal((await client.next()).message, 'x')
  assert.deepEqual((await api(cable, '/publish', { method: 'POST', body: '{' })).body.error, 'publication_malformed')
  assert.equal((await api(cable, '/publish')).status, 422)
})

test('the API lists the members of any stream, even with slashes in its name', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  const stream = 'chat/1 é%'
  await client.subscribe(JSON.stringify({ channel: '$pubsub', signed_stream_name: sign(stream) }), {
    presence: { id: 'ada', info: { a: 1 } },
  })

  for (const name of [encodeURIComponent(stream), `chat/1 ${encodeURIComponent('é%')}`]) {
    assert.deepEqual((await api(cable, `/presence/${name}/users`)).body, {
      type: 'info',
      total: 1,
      records: [{ info: { a: 1 }, id: 'ada' }],
    })
  }
  assert.deepEqual((await api(cable, '/presence/nobody/users')).body, { type: 'info', total: 0, records: [] })
  assert.equal((await api(cable, '/presence/users')).status, 404)
  assert.equal((await api(cable, '/presence/%ff/users')).status, 422)
})

test('without a broker the API has no presence', async t => {
  const cable = await startCable(t, ['--broker=none'])

  assert.deepEqual((await api(cable, '/presence/a/users')).status, 501)
})

test('the API lists streams and numbers', async t => {
  const cable = await startCable(t, ['--noauth'])
  const clients = [await cable.welcomed(), await cable.welcomed()]
  for (const client of clients) await client.subscribe(turbo('a'))
  await clients[0]!.subscribe(turbo('b'))

  assert.deepEqual((await api(cable, '/streams')).body, {
    streams: [
      { stream: 'a', subscriptions: 2 },
      { stream: 'b', subscriptions: 1 },
    ],
  })
  const { sessions, streams } = (await api(cable, '/stats')).body
  assert.deepEqual({ sessions, streams }, { sessions: 2, streams: 2 })
})

test('the API disconnects sessions by identity, or one by its sid', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [one, two] = [await cable.welcomed(), await cable.welcomed()]
  const disconnect = (request: object) => api(cable, '/disconnect', { method: 'POST', body: JSON.stringify(request) })

  const done = (count: number) => (IN_REDIS ? { told: 1 } : { disconnected: count })

  assert.deepEqual((await disconnect({ sid: one.welcome.sid })).body, done(1))
  assert.deepEqual(await one.next(), { type: 'disconnect', reason: 'remote', reconnect: false })
  const identifier = JSON.stringify({ sid: two.welcome.sid })
  assert.deepEqual((await disconnect({ identifier, reconnect: true })).body, done(1))
  assert.equal((await two.next()).reconnect, true)
  assert.deepEqual((await disconnect({ sid: 'nobody' })).body, done(0))
  for (const bad of [{}, { sid: 7 }, { identifier: '' }, { sid: 'x', reconnect: 'y' }])
    assert.equal((await disconnect(bad)).status, 422)
})
