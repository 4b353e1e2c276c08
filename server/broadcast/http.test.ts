import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { test } from 'node:test'
import { SECRET, startCable } from '../test/test-cable.ts'

const ONE = JSON.stringify({ stream: 'a', data: '"x"' })

test('a broadcast without the key, or with another, gets a 401 that says which', async t => {
  const cable = await startCable(t)
  const refusal = async (headers: Record<string, string>) => {
    const answer = await cable.post(ONE, { headers })
    return { status: answer.status, ...((await answer.json()) as { error: string; message: string }) }
  }

  assert.equal((await cable.post(ONE)).status, 201)
  for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: cable.key }]) {
    const missing = { status: 401, error: 'unauthorized', message: 'send Authorization: Bearer <key>' }
    assert.deepEqual(await refusal(headers as Record<string, string>), missing)
  }
  const { message, ...wrong } = await refusal({ authorization: `Bearer ${SECRET}` })
  assert.deepEqual(wrong, { status: 401, error: 'unauthorized' })
  assert.match(message, /does not match/)
})

test('the cable checks the method before the key', async t => {
  const cable = await startCable(t)
  const answer = await fetch(cable.url.broadcast)

  assert.equal(answer.status, 422)
  assert.equal(((await answer.json()) as { error: string }).error, 'method_not_allowed')
})

test('without a key a backend may broadcast, and a web page may not', async t => {
  const cable = await startCable(t, ['--broadcast_key=none', '--http_broadcast_port=0'])
  const status = async (headers: Record<string, string>) => (await cable.post(ONE, { headers })).status

  assert.equal(await status({}), 201)
  assert.equal(await status({ origin: 'https://evil.example' }), 403)
  assert.equal(await status({ origin: 'null' }), 403)
  assert.equal(await status({ 'sec-fetch-site': 'cross-site' }), 403)
})

test('broadcasts share the clients’ port only when they need a key', async t => {
  const [secured, open] = [
    await startCable(t),
    await startCable(t, ['--broadcast_key=none', '--http_broadcast_port=0']),
  ]

  assert.equal(new URL(secured.url.broadcast).port, new URL(secured.url.cable).port)
  const onClientsPort = new URL('/_broadcast', open.url.cable.replace('ws', 'http'))
  assert.equal((await fetch(onClientsPort, { method: 'POST', body: ONE })).status, 404)
})

test('a request may have an absolute URL and a query', async t => {
  const cable = await startCable(t)
  const { hostname, port, href } = new URL(cable.url.broadcast)
  for (const path of [href, `${href}?a=b`, '/_broadcast?a=b']) {
    const headers = { authorization: `Bearer ${cable.key}` }
    const post = request({ host: hostname, port, path, method: 'POST', headers }).end(ONE)
    const [answer] = (await once(post, 'response')) as [IncomingMessage]
    answer.resume()
    assert.equal(answer.statusCode, 201, path)
  }
})

test('a body over the limit gets a 413, with or without a content length', async t => {
  const cable = await startCable(t, ['--max_broadcast_size=1000'])
  const body = JSON.stringify({ stream: 'a', data: 'x'.repeat(1000) })
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from(body))
      controller.close()
    },
  })

  assert.equal((await cable.post(body)).status, 413)
  const headers = { authorization: `Bearer ${cable.key}` }
  assert.equal((await cable.post('', { body: chunked, headers, duplex: 'half' } as RequestInit)).status, 413)
  assert.equal((await cable.post(ONE)).status, 201)
})

test('a body that is not UTF-8 gets a 422', async t => {
  const cable = await startCable(t)
  const answer = await cable.post('', {
    headers: { authorization: `Bearer ${cable.key}` },
    body: Buffer.from([0x7b, 0xff, 0x7d]),
  })

  assert.equal(answer.status, 422)
  assert.match(((await answer.json()) as { message: string }).message, /UTF-8/)
})

test('a backend with the key gets the position of a page that it renders now, for any streams', async t => {
  const [cable, forgetful] = [await startCable(t), await startCable(t, ['--broker=none'])]
  const position = async ({ url, key }: typeof cable, query = '?stream=board%2F1', authorization = `Bearer ${key}`) => {
    const answer = await fetch(`${url.broadcast}/position${query}`, { headers: { authorization } })
    return answer.ok ? ((await answer.json()) as { position: string }).position : answer.status
  }

  const positions = [
    await position(cable),
    await position(cable, '?stream=board%2F1&stream=board%2F2'),
    await position(cable, ''),
  ].map(String)
  for (const each of positions) assert.match(each, /^0\/[A-Za-z0-9]+-[A-Za-z0-9]{6}$/)
  assert.equal(new Set(positions).size, 3)
  assert.equal(await position(forgetful), '-')
  assert.equal(await position(cable, '?stream=a', 'Bearer x'), 401)
})

test('the cable cuts a request that arrives too slowly', async t => {
  const cable = await startCable(t)
  const slow = request(cable.url.broadcast, { method: 'POST', headers: { 'content-length': '100' } })
  slow.flushHeaders()
  t.after(() => slow.destroy())

  const outcome = await new Promise(resolve => {
    slow.on('response', response => resolve(response.statusCode))
    slow.on('error', () => resolve('cut'))
  })

  assert.ok(outcome === 'cut' || outcome === 401 || outcome === 408)
})
