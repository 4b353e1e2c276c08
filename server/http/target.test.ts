import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRaw } from '../../testing/raw.ts'
import { startCable } from '../test/test-cable.ts'

test("the cable answers a balancer's plain check: HTTP/1.0 without a host", async t => {
  const cable = await startCable(t)

  for (const path of ['/health', '/ready']) {
    const raw = openRaw(t, cable.url.broadcast)
    raw.write(`GET ${path} HTTP/1.0\r\n\r\n`)
    assert.match(await raw.closed, /^HTTP\/1.1 200 /, path)
  }
})

for (const [host, status] of [
  ['', 200],
  ['localhost', 200],
  ['LOCALHOST:8080', 200],
  ['cable.example.com.', 200],
  ['my_cable:', 200],
  ['cable:99999', 200],
  ['127.1', 200],
  ['1.2.3.4.5', 200],
  ['[::1]', 200],
  ['[::1]:8080', 200],
  ['[0:0:0:0:0:0:0:1]:80', 200],
  ['[2001:DB8::192.0.2.1]', 200],
  ['[v1.fe80::a+en1]', 200],
  ["a!$&'()*+,;=~b", 200],
  ['caf%C3%A9', 200],
  ['xn--a', 200],
  ['user@host', 400],
  ['user:password@host:80', 400],
  ['a b', 400],
  ['a/b', 400],
  ['http://a', 400],
  ['::1', 400],
  ['[::1', 400],
  ['a:80:80', 400],
  ['a:http', 400],
  ['a%zz', 400],
  ['caf\xe9', 400],
] as const) {
  test(`the cable answers a request for the host «${host}» with ${status}, on every route`, async t => {
    const cable = await startCable(t, ['--sse', '--public_streams', '--noauth', '--metrics_http=/metrics'])
    const ask = async (line: string, key = '', body = '') => {
      const raw = openRaw(t, cable.url.broadcast)
      const authorization = `Authorization: Bearer ${key}\r\nContent-Length: ${body.length}`
      raw.write(`${line} HTTP/1.1\r\nHost: ${host}\r\n${authorization}\r\n\r\n${body}`)
      return Number((await raw.until(/\r\n\r\n/)).split(' ')[1])
    }
    const publication = JSON.stringify({ stream: 'a', data: '1' })

    assert.equal(await ask('GET /health'), status)
    assert.equal(await ask('GET /events?stream=a'), status)
    assert.equal(await ask('GET /api/presence/a%2Fb/users', cable.apiKey), status)
    assert.equal(await ask('POST /_broadcast', cable.key, publication), status === 200 ? 201 : status)
    const metrics = await (await fetch(new URL('/metrics', cable.url.broadcast))).text()
    assert.equal(/refusals_total\{code="host_malformed"\} 4/.test(metrics), status === 400)
  })
}

test('the cable answers HTTP/1.1 without a host with 400', async t => {
  const cable = await startCable(t)
  const raw = openRaw(t, cable.url.broadcast)
  raw.write('GET /health HTTP/1.1\r\n\r\n')

  assert.match(await raw.closed, /^HTTP\/1.1 400 /)
})

test('a request may name its whole URL, with any host', async t => {
  const cable = await startCable(t)
  const raw = openRaw(t, cable.url.broadcast)

  for (const url of ['http://1.2.3.4.5/health', 'HTTP://[::1]:80/health?x', 'https://a_b:99999/health']) {
    raw.write(`GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.equal((await raw.until(/ok$/)).match(/ 200 OK/g)?.length, 1, url)
    raw.forget()
  }
})

test('a proxy that passes on /cable/… alone opens no other route', async t => {
  const cable = await startCable(t, ['--metrics_http=/metrics'])
  const raw = openRaw(t, cable.url.broadcast)

  for (const path of [
    '/cable/../metrics',
    '/cable/%2E%2e/metrics',
    '/cable/.%2e/metrics',
    '/cable\\..\\metrics',
    '/./health',
  ]) {
    raw.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    assert.match(await raw.until(/malformed[\s\S]*\r\n0\r\n\r\n$|HELP|ok/), /^HTTP\/1\.1 400 .*path_malformed/s, path)
    raw.forget()
  }
  // A URL drops a tab; Node's parser refuses it.
  const tab = openRaw(t, cable.url.broadcast)
  tab.write('GET /cable/.\t./metrics HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(await tab.closed, /^HTTP\/1\.1 400 /)
  raw.write('GET /cable/..hotcable.js HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(await raw.until(/\r\n\r\n/), /^HTTP\/1\.1 404 /)
})
