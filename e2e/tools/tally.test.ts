import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

test('a test file whose process is killed is named, with its signal and its last words', t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-tally-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'dies.test.mjs')
  writeFileSync(file, `import 'node:test'\nconsole.error('the last words')\nprocess.kill(process.pid, 'SIGKILL')\n`)

  const { stdout } = spawnSync(
    process.execPath,
    ['--test', `--test-reporter=${resolve(import.meta.dirname, 'tally.ts')}`, file],
    { encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  )

  const { crashes, ...count } = JSON.parse(stdout)
  assert.deepEqual(count, { passed: 0, failed: 1, skipped: 0 })
  assert.match(crashes.join(), /dies\.test\.mjs ended with SIGKILL\nthe last words\n/)
})
