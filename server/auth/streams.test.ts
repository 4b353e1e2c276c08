import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SubscriptionRejected } from '../errors.ts'
import { streamVerifier } from './streams.ts'

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
  streamVerifier({ secrets: [secret], purpose })(signed, now).stream

for (const { stream, ...given } of [...vectors.sign, ...vectors.accept]) {
  test(`the cable accepts a signed stream name: ${given.id}`, () => {
    assert.equal(verify(given), stream)
  })
}

for (const { flag, code, ...given } of vectors.refuse.filter(({ code }) => code !== 'stream_name_missing')) {
  test(`the cable refuses a signed stream name for its reason: ${given.id} (${flag})`, () => {
    assert.throws(
      () => verify(given),
      (error: unknown) => error instanceof SubscriptionRejected && error.code === code,
    )
  })
}

test('an empty key verifies no name, even beside other keys', () => {
  const forged = 'ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4'

  assert.throws(() => streamVerifier({ secrets: [''], purpose: '' })(forged, NOW), { code: 'streams_key_missing' })
  assert.throws(() => streamVerifier({ secrets: ['', 'x'], purpose: '' })(forged, NOW), {
    code: 'stream_signature_mismatch',
  })
})

test('a former secret still verifies, and the result names its index', () => {
  const [{ signed, stream }] = vectors.sign as [Case & { stream: string }]

  assert.deepEqual(streamVerifier({ secrets: ['newest', 'newer', vectors.secret], purpose: '' })(signed, NOW), {
    stream,
    key: 2,
    forever: true,
    isAsked: false,
  })
})

test('a verifier that remembers names still refuses forged and expired ones', () => {
  const signed = (value: unknown) => {
    const payload = Buffer.from(JSON.stringify(value)).toString('base64')
    return `${payload}--${createHmac('sha256', vectors.secret).update(payload).digest('hex')}`
  }
  const verify = streamVerifier({ secrets: [vectors.secret], purpose: '' })
  const [forever, expiring] = [
    signed('board/1'),
    signed({ _rails: { data: 'board/2', exp: new Date((NOW + 10) * 1000).toISOString() } }),
  ]

  for (let n = 0; n < 2; n++) {
    assert.deepEqual(verify(forever, NOW), { stream: 'board/1', key: 0, forever: true, isAsked: false })
    assert.deepEqual(verify(expiring, NOW), { stream: 'board/2', key: 0, forever: false, isAsked: false })
    assert.throws(() => verify(`${forever.slice(0, -1)}${forever.endsWith('0') ? 1 : 0}`, NOW), {
      code: 'stream_signature_mismatch',
    })
    assert.throws(() => verify(expiring, NOW + 10), { code: 'stream_name_expired' })
  }
  // More names than the verifier remembers.
  for (let n = 0; n < 2500; n++) assert.equal(verify(signed(`board/${n}`), NOW).stream, `board/${n}`)
})
