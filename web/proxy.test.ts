import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as send } from 'node:http'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { createCableProxy } from './cable-proxy.ts'
import { serve } from './serve.ts'
import { bodyOf, DEAD, listen, testApp } from './testing.ts'

/** A Board that answers with the request. */
async function echo(t: TestContext) {
  return listen(t, async (request, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.end(JSON.stringify({ url: request.url, headers: request.headers, body: await bodyOf(request) }))
  })
}

async function running(t: TestContext, parts: Parameters<typeof testApp>[1]) {
  const { app } = await testApp(t, parts)
  return listen(t, createServer(getRequestListener(app.fetch)))
}

test('a Board of another language gets its mount point and the origin of the request', async t => {
  const python = await echo(t)
  const web = await running(t, { neighbours: { python: python.url } })

  const answer = await fetch(`${web.url}/python/cards?x=%C3%A9`, {
    method: 'POST',
    body: 'body=Hello',
    headers: { 'x-forwarded-prefix': '//evil.example', 'x-forwarded-proto': 'https', cookie: 'visitor=1' },
  })
  const { url, headers, body } = (await answer.json()) as { url: string; headers: Record<string, string>; body: string }

  assert.equal(url, '/cards?x=%C3%A9')
  assert.equal(body, 'body=Hello')
  assert.equal(headers['x-forwarded-prefix'], '/python')
  assert.equal(headers['x-forwarded-proto'], 'https')
  assert.equal(headers['x-forwarded-host'], new URL(web.url).host)
  assert.equal(headers.host, new URL(web.url).host)
  assert.equal(headers.cookie, 'visitor=1')
  assert.deepEqual(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'self'/)
})

test('a form of unknown length arrives with its length, for gateways that cannot read chunks', async t => {
  const php = await echo(t)
  const web = await running(t, { neighbours: { php: php.url } })

  const request = send(`${web.url}/php/cards`, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } })
  request.write('body=')
  request.end('Hello')
  const [response] = await once(request, 'response')
  const { headers, body } = JSON.parse(await bodyOf(response))

  assert.equal(body, 'body=Hello')
  assert.equal(headers['content-length'], '10')
  assert.equal(headers['transfer-encoding'], undefined)
})

test('an offer of HTTP/2 reaches neither a Board nor the cable', async t => {
  const behind = await echo(t)
  const { app } = await testApp(t, { neighbours: { python: behind.url }, cable: behind.url })
  const web = await serve({ fetch: app.fetch, cable: createCableProxy({ to: DEAD }), host: '127.0.0.1', port: 0 })
  t.after(web.close)

  for (const path of ['/python/cards', '/events']) {
    const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAEAAEAAAAIAAAAB' }
    const request = send({ host: '127.0.0.1', port: web.port, path, method: 'POST', headers: offer, agent: false })
    request.end('body=Hello')
    const [response] = await once(request, 'response')
    const { headers, body } = JSON.parse(await bodyOf(response))

    assert.equal(body, 'body=Hello', path)
    assert.deepEqual([headers.upgrade, headers['http2-settings']], [undefined, undefined])
    assert.doesNotMatch(headers.connection ?? '', /upgrade/i)
  }
})

test('a Board gets the path unchanged, even one that looks like a host', async t => {
  const python = await echo(t)
  const web = await running(t, { neighbours: { python: python.url } })

  for (const path of ['//x', '//', '///x//y', '//evil.test/x?y=//z', '/%2f%2fevil.test/x', '/@evil.test/x', '/:80/x']) {
    const [response] = await once(send({ host: '127.0.0.1', port: web.port, path: `/python${path}` }).end(), 'response')
    assert.equal(JSON.parse(await bodyOf(response)).url, path)
  }
})

test('redirects and errors of a Board reach the browser unchanged', async t => {
  const ruby = await listen(t, (_, response) => response.writeHead(303, { location: '/ruby/' }).end())
  const { app, post } = await testApp(t, { neighbours: { ruby: ruby.url } })

  const answer = await post('/ruby/clear')

  assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/ruby/'])
  assert.equal((await app.request('/ruby?client=rails')).headers.get('location'), '/ruby/?client=rails')
})

test('a visitor of a Board that is not running gets a page that says how to start it, and a script gets one line', async t => {
  const { app } = await testApp(t, { neighbours: { python: DEAD } })
  const browser = { accept: 'text/html,*/*' }

  const missing = await app.request('/ruby/', { headers: browser })
  const down = await app.request('/python/', { headers: browser })

  assert.equal(missing.status, 503)
  assert.match(await missing.text(), /Ruby is not running here.*npm run setup/s)
  assert.equal(down.status, 502)
  assert.match(await down.text(), /Python is not answering/)
  assert.equal(await (await app.request('/ruby/health')).text(), 'ruby is not running here\n')
  assert.equal((await app.request('/python/', { method: 'HEAD' })).status, 502)
})

test('the web app keeps running when a Board breaks off its answer, and logs one line', async t => {
  const { mock: log } = t.mock.method(console, 'error', () => {})
  const php = await listen(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setImmediate(() => response.destroy())
  })
  const web = await running(t, { neighbours: { php: php.url } })

  await assert.rejects(async () => (await fetch(`${web.url}/php/`)).text())
  assert.deepEqual(
    log.calls.map(call => call.arguments),
    [['/php: the answer ended early']],
  )
  assert.equal((await fetch(`${web.url}/health`)).status, 200)
})

test('events of the cable arrive one by one, and the cable sees that the browser left', async t => {
  const { promise: gone, resolve } = Promise.withResolvers<void>()
  const cable = await listen(t, (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${request.method} ${request.url}\n\n`)
    response.once('close', resolve)
  })
  const web = await running(t, { cable: cable.url })

  const leaving = new AbortController()
  const answer = await fetch(`${web.url}/events?stream=x`, { signal: leaving.signal })
  const { value } = await answer.body!.getReader().read()
  leaving.abort()

  assert.equal(Buffer.from(value!).toString(), 'data: GET /events?stream=x\n\n')
  await gone
})

test('while the cable is down, web answers with a stream that makes the browser reconnect', async t => {
  const { app } = await testApp(t)
  const answer = await app.request('/events')

  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'text/event-stream'])
  assert.equal(await answer.text(), 'retry: 3000\n\n')
  assert.equal((await app.request('/events', { method: 'POST' })).status, 502)
})

test('a cable that crashes ends the streams of its listeners', async t => {
  const cable = await listen(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: x\n\n')
    setImmediate(() => response.destroy())
  })
  const web = await running(t, { cable: cable.url })

  assert.equal(await (await fetch(`${web.url}/events`)).text(), 'data: x\n\n')
})
