import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

test('setup looks for a program anew after it has installed it', async t => {
  const source = readFileSync('backends/harness/toolchain.ts', 'utf8')
  const checks = [...source.matchAll(/isPresent: (?:async )?\(\) => (?!\{|Promise<)(.+)/g)].map(
    ([, check]) => check ?? '',
  )
  assert.ok(checks.length >= 10, `${checks.length} checks`)
  for (const check of checks) {
    await t.test(check, () => assert.match(check, /\w\(/, 'a constant would be as old as the start of setup'))
  }
})
