import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { issueToken, metaTags, scriptTag, signStream, streamFrom } from '../backends/typescript/hotcable.ts'
import { folder, hotcable } from './testing.ts'

const secret = 'canary-of-debug'
const env = { ANYCABLE_SECRET: secret }
const ADA = { user: 'ada' }

test('debug decodes an argument, and says which key signed it', async () => {
  const { code, stdout, stderr } = await hotcable(['debug', signStream('board/1', { secret })], { env })

  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^signed stream name\n {2}stream +board\/1\n {2}signed with +the secret of stream names/)
})

test('debug decodes stdin: a whole page, with a former secret', async () => {
  const url = 'wss://app.example/cable'
  const head = metaTags(ADA, { url, secret }) + scriptTag({ url })
  const input = `<html><head>${head}</head><body>${streamFrom('board/1', '1/a', { secret })}</body></html>`
  const rotated = {
    ANYCABLE_SECRET: 'new',
    HOTCABLE_JWT_PREVIOUS_SECRETS: secret,
    HOTCABLE_STREAMS_PREVIOUS_SECRETS: secret,
  }

  const { code, stdout } = await hotcable(['debug'], { env: rotated, input })

  assert.equal(code, 0)
  assert.match(stdout, /signed with +former secret 1 of tokens/)
  assert.match(stdout, /signed with +former secret 1 of stream names/)
})

test('debug takes the keys from .env', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), `ANYCABLE_SECRET=${secret}\n`)

  const { stdout } = await hotcable(['debug', signStream('board/1', { secret })], { cwd })

  assert.match(stdout, /signed with +the secret of stream names/)
})

test('debug fails with the code and the fix of what is wrong', async () => {
  const { code, stdout } = await hotcable(['debug', issueToken(ADA, { secret: 'other' })], { env })

  assert.equal(code, 1)
  assert.match(
    stdout,
    /✗ token_invalid: give app and cable the same ANYCABLE_SECRET .* \(no key that we know has signed it\)\n/,
  )
})

test('debug without a secret reads the text, and says that no signature was checked', async () => {
  const { code, stdout } = await hotcable(['debug', issueToken(ADA, { secret })])

  assert.equal(code, 0)
  assert.match(stdout, /identity +\{"user":"ada"\}/)
  assert.match(stdout, /\? keys_unknown: /)
})

test('debug goes on if the environment has a mistake, and names it', async () => {
  const { stdout, stderr } = await hotcable(['debug', issueToken(ADA, { secret })], {
    env: { ...env, ANYCABLE_PORT: 'x' },
  })

  assert.match(stderr, /^hotcable: ANYCABLE_PORT /)
  assert.match(stdout, /identity/)
})

test('debug prints no secret, also if one is pasted, and says so', async () => {
  for (const args of [[secret], ['--json', secret], [`Bearer ${secret}`]]) {
    const { code, stdout, stderr } = await hotcable(['debug', ...args], { env })

    assert.equal(code, 1)
    assert.match(stdout, /secret_pasted/)
    assert.doesNotMatch(stdout + stderr, /canary/)
  }
})

test('debug of a text without anything of the cable fails, and says what can be pasted', async () => {
  const { code, stdout } = await hotcable(['debug'], { env, input: 'hello\n' })

  assert.equal(code, 1)
  assert.match(stdout, /paste a token/)
})

test('debug says that a text is empty, as that of a failed curl', async () => {
  const { code, stderr } = await hotcable(['debug'], { env, input: '\n' })

  assert.equal(code, 1)
  assert.match(stderr, /^The text is empty\. .*\n$/)
})

test('debug says how to read a file, if its argument names one', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, 'page.html'), 'hello')

  const { code, stderr } = await hotcable(['debug', 'page.html'], { env, cwd })

  assert.equal(code, 1)
  assert.equal(stderr, 'hotcable debug reads a file on stdin: hotcable debug < page.html\n')
})
