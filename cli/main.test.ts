/** The program as a shell runs it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const HOTCABLE = fileURLToPath(new URL('main.ts', import.meta.url))
const CABLE = fileURLToPath(new URL('../server/main.ts', import.meta.url))

for (const [file, ...args] of [
  [HOTCABLE, '--help'],
  [HOTCABLE, 'helper', 'go'],
  [HOTCABLE, 'cable', '--print-config'],
  [CABLE, '--help'],
] as [string, ...string[]][])
  test(`a reader that leaves early is no error: ${args.join(' ')}`, async () => {
    const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])

    assert.deepEqual([code, stderr], [0, ''])
  })

test('a full disk is an error in one line', { skip: !existsSync('/dev/full') }, async () => {
  const child = spawn(process.execPath, [HOTCABLE, 'secret'], { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] })
  const [stderr, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')])

  assert.deepEqual([code, stderr], [1, 'hotcable: the output cannot be written: ENOSPC\n'])
})

test('debug reads an endless input only until it has enough', async () => {
  const child = spawn(process.execPath, [HOTCABLE, 'debug'], { env: {}, stdio: 'pipe' })
  child.stdin.on('error', () => {})
  const part = Buffer.alloc(1 << 16, 'é ')
  new Readable({ read: endless }).pipe(child.stdin)
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])

  assert.deepEqual([code, stderr], [1, 'The text is longer than 1 MiB: this is what its first MiB holds.\n'])

  function endless(this: Readable): void {
    this.push(part)
  }
})
