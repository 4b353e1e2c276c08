import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { end, endsWithUs, healthy } from './child.ts'

const FOREVER = 'setInterval(() => {}, 1000)'
const node = (script: string, detached = false) =>
  spawn(process.execPath, ['--eval', script], { detached, stdio: ['ignore', 'pipe', 'inherit'] })

test('ending the head of a group ends its children', async () => {
  const head = endsWithUs(
    node(
      `require('node:child_process').spawn(process.execPath, ['--eval', '${FOREVER}'], { stdio: 'inherit' }); console.log(1); ${FOREVER}`,
      true,
    ),
  )
  await once(head.stdout, 'data')
  const closed = once(head.stdout, 'close')

  assert.deepEqual(await end(head), { code: null, signal: 'SIGTERM' })
  await closed // the other process held this pipe open
})

test('a process without a group ends alone, and its exit code is returned', async () => {
  const child = endsWithUs(node(FOREVER))

  assert.deepEqual(await end(child, 'SIGKILL'), { code: null, signal: 'SIGKILL' })
  assert.deepEqual(await end(child), { code: null, signal: 'SIGKILL' })
})

test('the wait for health ends when the program has exited', async () => {
  const child = endsWithUs(node('process.exit(3)'))

  await assert.rejects(healthy('http://127.0.0.1:1/health', child), /does not answer/)
  assert.equal((await end(child)).code, 3)
})
