import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SubscriptionRejected } from '../errors.ts'
import { verifyStream } from './streams.ts'

interface Vectors {
  secret: string
  sign: { id: string; stream: string; secret?: string; signed: string }[]
  accept: { id: string; stream: string; secret?: string; signed: string }[]
  refuse: { id: string; flag: string; secret?: string; signed: string; code: string }[]
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../backends/vectors/signed-streams.json', import.meta.url), 'utf8'),
)

for (const { id, stream, secret = vectors.secret, signed } of [...vectors.sign, ...vectors.accept]) {
  test(`a signed stream name is accepted: ${id}`, () => {
    assert.equal(verifyStream(signed, secret), stream)
  })
}

for (const { id, flag, signed, secret = vectors.secret, code } of vectors.refuse.filter(
  ({ code }) => code !== 'stream_name_missing',
)) {
  test(`a signed stream name is refused for its reason: ${id} (${flag})`, () => {
    assert.throws(
      () => verifyStream(signed, secret),
      (error: unknown) => error instanceof SubscriptionRejected && error.code === code,
    )
  })
}

test('no name verifies against an empty key', () => {
  const forged = 'ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4'

  assert.throws(() => verifyStream(forged, ''), { code: 'streams_key_missing' })
})
