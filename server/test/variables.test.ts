/** The cable reports an unknown HOTCABLE_ variable as misspelt, so it must know every one that this project reads. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { findUnknownVariables } from '../config/unknown-variables.ts'

test('the cable knows every variable that the Boards, the starter and the tests read', () => {
  const files = globSync(
    ['*.{md,yml}', 'docs/*.md', '{backends,bench,cli,e2e,server,start,testing,web}/**/*.{ts,py,php,rb,go,md}'],
    {
      exclude: ['{cli,server,start}/**/*.test.ts', '**/node_modules/**'],
    },
  )
  const named = new Set(files.flatMap(file => readFileSync(file, 'utf8').match(/HOTCABLE_[A-Z0-9_]*[A-Z0-9]\b/g) ?? []))

  assert.deepEqual(findUnknownVariables(Object.fromEntries([...named].map(name => [name, 'x']))).problems, [])
  assert.ok(named.size > 30)
})
