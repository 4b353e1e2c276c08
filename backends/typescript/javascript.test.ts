import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('hotcable.js is hotcable.ts without its types', () => {
  const args = ['--disable-warning=ExperimentalWarning', 'backends/typescript/generate.ts', '--check']
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })

  assert.deepEqual([status, stderr], [0, ''])
})
