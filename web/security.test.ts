import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TURBO_STYLE } from './security.ts'
import { testApp } from './testing.ts'

test('pages may connect to their origin, and cannot run inline scripts', async t => {
  const { app } = await testApp(t)
  const headers = { host: 'board.example:3000' }

  for (const path of ['/', '/compare', '/nothing', '/ruby/']) {
    const policy = (await app.request(path, { headers })).headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'self';/)
    assert.match(policy, /connect-src 'self' ws:\/\/board\.example:3000 wss:\/\/board\.example:3000;/)
    assert.match(policy, /frame-ancestors 'self'/)
    assert.doesNotMatch(policy, /unsafe/)
  }
})

test('an invalid host does not get into the policy', async t => {
  const { app } = await testApp(t)

  const answer = await app.request('/', { headers: { 'x-forwarded-host': "x; script-src 'unsafe-inline'" } })

  assert.doesNotMatch(answer.headers.get('content-security-policy') ?? '', /unsafe/)
})

test('the only inline style that is allowed is that of the installed Turbo', () => {
  const source = readFileSync(fileURLToPath(import.meta.resolve('@hotwired/turbo')), 'utf8')
  const [, css = ''] = /static get defaultCSS\(\) \{\s*return unindent`\n([\s\S]*?)`/.exec(source) ?? []
  const indent = /^ */.exec(css)![0].length
  const style = css
    .replaceAll(/\$\{ProgressBar\.animationDuration( \/ 2)?\}/g, (_, half) => (half ? '150' : '300'))
    .split('\n')
    .map(line => line.slice(indent))
    .join('\n')

  assert.equal(`'sha256-${createHash('sha256').update(style).digest('base64')}'`, TURBO_STYLE)
})
