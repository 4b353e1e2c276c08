import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { folder, hotcable } from './testing.ts'

test('secret prints a line for .env, another one each time', async t => {
  const cwd = folder(t)

  const { code, stdout, stderr } = await hotcable(['secret'], { cwd })

  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^ANYCABLE_SECRET=[0-9a-f]{64}\n$/)
  assert.notEqual((await hotcable(['secret'], { cwd })).stdout, stdout)
})

test('secret keeps the last line of an .env that has no line break at its end', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), 'PORT=3000')

  assert.match((await hotcable(['secret'], { cwd })).stdout, /^\nANYCABLE_SECRET=/)
  assert.match((await hotcable(['secret'], { cwd, isTTY: true })).stdout, /^ANYCABLE_SECRET=/)
})

test('secret warns if .env has one already, and does not print it', async t => {
  const cwd = folder(t)
  writeFileSync(join(cwd, '.env'), 'ANYCABLE_SECRET=canary\n')

  const { stdout, stderr } = await hotcable(['secret'], { cwd })

  assert.equal(stderr, '.env already has an ANYCABLE_SECRET; of two lines the last one counts\n')
  assert.match(stdout, /^ANYCABLE_SECRET=[0-9a-f]{64}\n$/)
})
