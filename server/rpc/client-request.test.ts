import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRequestReader } from './client-request.ts'

const read = (more: object = {}, headers: Record<string, string | string[]> = {}) =>
  createRequestReader({ headers: ['cookie', 'x-api-token'], cookies: [], isSecure: false, proxies: [], ...more })({
    ...{ url: '/cable?a=1&b=%20', headers: { host: 'app.test:3000', ...headers } },
    socket: { remoteAddress: '::ffff:10.0.0.1' },
  })

test('the app gets the URL with its query, the headers that it asked for, and the address of the peer', () => {
  const headers = { cookie: 'a=1', 'x-api-token': ['first', 'second'], 'x-forwarded-for': '1.2.3.4' }

  assert.deepEqual(read({}, headers), {
    url: 'http://app.test:3000/cable?a=1&b=%20',
    headers: { cookie: 'a=1', 'x-api-token': 'first', REMOTE_ADDR: '10.0.0.1' },
  })
  assert.deepEqual(read({ isSecure: true }), {
    url: 'https://app.test:3000/cable?a=1&b=%20',
    headers: { REMOTE_ADDR: '10.0.0.1' },
  })
})

test('behind a trusted proxy the app gets the address of the client', () => {
  const headers = { 'x-forwarded-for': '6.6.6.6, 1.2.3.4' }

  assert.equal(read({ proxies: ['10.0.0.0/8'] }, headers).headers.REMOTE_ADDR, '1.2.3.4')
})

for (const [cookie, kept] of [
  ['a=1; b=2; c=3', 'a=1; c=3'],
  ['b=2; a=x=y==; cc=1', 'a=x=y=='],
  ['c=3;a=1', 'c=3; a=1'],
  ['b=2', undefined],
  ['', undefined],
] as const) {
  test(`of the cookies "${cookie}" the app gets those that it asked for`, () => {
    assert.equal(read({ cookies: ['a', 'c'] }, { cookie }).headers.cookie, kept)
  })
}
