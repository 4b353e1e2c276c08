import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

test('a test file whose process is killed is named, with its signal and its last words', t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-crashes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'dies.test.mjs')
  writeFileSync(file, `import 'node:test'\nconsole.error('the last words')\nprocess.kill(process.pid, 'SIGKILL')\n`)

  const { stdout } = spawnSync(
    process.execPath,
    ['--test', `--test-reporter=${resolve(import.meta.dirname, 'crashes.ts')}`, file],
    { encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  )

  assert.match(stdout, /dies\.test\.mjs ended with SIGKILL\n/)
  assert.match(stdout, /the last words/)
})
