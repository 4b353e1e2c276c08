import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type Digest, Hmac } from './hmac.ts'

const DIGESTS: readonly Digest[] = ['sha256', 'sha384', 'sha512']
const flipped = (bytes: Buffer, at: number) => bytes.map((byte, n) => (n === at ? byte ^ 1 : byte)) as Buffer

for (const digest of DIGESTS) {
  test(`an HMAC equals that of node:crypto, for keys and texts of every length: ${digest}`, () => {
    for (const size of [1, 31, 32, 63, 64, 65, 127, 128, 129, 500]) {
      const key = randomBytes(size)
      const hmac = new Hmac(digest, key)
      // Long ones first: no byte of them may enter the next.
      for (const text of ['x'.repeat(40_000), 'ж'.repeat(6_000), 'é€😀'.repeat(50), 'a'.repeat(111), 'a', '']) {
        const bytes = createHmac(digest, key).update(text).digest()
        assert.ok(hmac.verifies(text, bytes.toString('base64url'), 'base64url'))
        assert.ok(hmac.verifies(text, bytes.toString('hex'), 'hex'))
        for (const at of [0, 7, bytes.length - 1]) {
          assert.equal(hmac.verifies(text, flipped(bytes, at).toString('hex'), 'hex'), false)
          assert.equal(hmac.verifies(text, flipped(bytes, at).toString('base64url'), 'base64url'), false)
        }
        assert.equal(hmac.verifies(`${text}a`, bytes.toString('hex'), 'hex'), false)
      }
    }
  })
}

test('the verifier refuses a signature that is too short, too long or empty, even after a good one', () => {
  const hmac = new Hmac('sha256', 'a key in UTF-8: ключ')
  const good = createHmac('sha256', 'a key in UTF-8: ключ').update('text').digest('hex')

  assert.ok(hmac.verifies('text', good, 'hex'))
  for (const bad of ['', good.slice(2), good.slice(0, -2), `${good}00`, good + good, `zz${good.slice(2)}`])
    assert.equal(hmac.verifies('text', bad, 'hex'), false, bad)
})
