import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAddressReader, isProxy } from './client-address.ts'

const read = (proxies: string[], remoteAddress: string, forwarded?: string) =>
  createAddressReader(proxies)({
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    socket: { remoteAddress },
  })

for (const [title, ...asked] of [
  ['without trusted proxies the peer', '10.0.0.3', [], '10.0.0.3', '6.6.6.6'],
  ['behind a trusted proxy the peer of that proxy', '203.0.113.7', ['10.0.0.3'], '10.0.0.3', '203.0.113.7'],
  [
    'the last one, because a client may write those before',
    '203.0.113.7',
    ['10.0.0.3'],
    '10.0.0.3',
    '6.6.6.6, 203.0.113.7',
  ],
  [
    'behind two trusted proxies the peer of the first',
    '203.0.113.7',
    ['private'],
    '::ffff:10.0.0.3',
    '6.6.6.6,203.0.113.7 , 10.0.0.2',
  ],
  ['from another peer the peer itself', '10.0.0.4', ['10.0.0.3'], '10.0.0.4', '203.0.113.7'],
  ['of a trusted proxy without the header the proxy', '10.0.0.3', ['10.0.0.0/8'], '10.0.0.3', undefined],
  ['of a trusted proxy that hides its peer the proxy', '10.0.0.3', ['10.0.0.0/8'], '10.0.0.3', '203.0.113.7, unknown'],
  ['without its port', '203.0.113.7', ['10.0.0.0/8'], '10.0.0.3', '203.0.113.7:49152'],
  ['an address of IPv6', '2001:db8::7', ['fd00::/8'], 'fd00::1', '[2001:db8::7]:49152'],
] as const) {
  const [address, proxies, peer, forwarded] = asked
  test(`the address of a client is ${title}`, () => {
    assert.equal(read([...proxies], peer, forwarded), address)
  })
}

test('a trusted proxy is an address, a block, or private', () => {
  for (const entry of ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', 'private'])
    assert.equal(isProxy(entry), true, entry)
  for (const entry of ['proxy.example.com', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '/8', 'fd00::/129'])
    assert.equal(isProxy(entry), false, entry)
})
