import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SubscriptionRejected } from '../errors.ts'
import { verifyStream } from './streams.ts'

interface Case {
  id: string
  signed: string
  secret?: string
  now?: number
  purpose?: string
}
interface Vectors {
  secret: string
  sign: (Case & { stream: string })[]
  accept: (Case & { stream: string })[]
  refuse: (Case & { flag: string; code: string })[]
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../backends/vectors/signed-streams.json', import.meta.url), 'utf8'),
)
const NOW = 1_800_000_000
const verify = ({ signed, secret = vectors.secret, now = NOW, purpose = '' }: Case) =>
  verifyStream(signed, { secrets: [secret], purpose }, now).stream

for (const { stream, ...given } of [...vectors.sign, ...vectors.accept]) {
  test(`a signed stream name is accepted: ${given.id}`, () => {
    assert.equal(verify(given), stream)
  })
}

for (const { flag, code, ...given } of vectors.refuse.filter(({ code }) => code !== 'stream_name_missing')) {
  test(`a signed stream name is refused for its reason: ${given.id} (${flag})`, () => {
    assert.throws(
      () => verify(given),
      (error: unknown) => error instanceof SubscriptionRejected && error.code === code,
    )
  })
}

test('no name verifies against an empty key, not even beside others', () => {
  const forged = 'ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4'

  assert.throws(() => verifyStream(forged, { secrets: [''], purpose: '' }, NOW), { code: 'streams_key_missing' })
  assert.throws(() => verifyStream(forged, { secrets: ['', 'x'], purpose: '' }, NOW), {
    code: 'stream_signature_mismatch',
  })
})

test('a former secret still verifies, and it is known which it was', () => {
  const [{ signed, stream }] = vectors.sign as [Case & { stream: string }]

  assert.deepEqual(verifyStream(signed, { secrets: ['newest', 'newer', vectors.secret], purpose: '' }, NOW), {
    stream,
    key: 2,
  })
})
