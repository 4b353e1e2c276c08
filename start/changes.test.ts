import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { onChange } from './changes.ts'

test('a source that changes is reported once, however an editor saves it; other files are not', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-changes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  let calls = 0
  let called = Promise.withResolvers<void>()
  t.after(
    onChange([folder], () => {
      calls++
      called.resolve()
    }),
  )
  const [board, draft] = [join(folder, 'board.py'), join(folder, 'board.py.tmp')]

  writeFileSync(draft, '1')
  renameSync(draft, board)
  writeFileSync(board, '2')
  await called.promise
  assert.equal(calls, 1)

  called = Promise.withResolvers()
  writeFileSync(join(folder, 'board.sqlite3-wal'), '')
  writeFileSync(board, '3')
  await called.promise
  assert.equal(calls, 2)
})
