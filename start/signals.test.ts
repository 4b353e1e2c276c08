import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePorts } from './network.ts'

/** Sends the program a signal the moment that it has written its line. */
const stopAt = (line: RegExp) =>
  `data:text/javascript,${encodeURIComponent(`
  const write = process.stdout.write
  process.stdout.write = function (text, ...rest) {
    const written = write.call(this, text, ...rest)
    if (${line}.test(text)) process.kill(process.pid, 'SIGTERM')
    return written
  }`)}`

async function scratch(t: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-signals-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

for (const [main, args, line] of [
  ['server/main.ts', ['--noauth', '--port=0', '--http_broadcast_port=0', '--shutdown_timeout=0'], /clients connect to/],
  ['web/main.ts', [], /the Board is at/],
] as const) {
  test(`${main} ends properly if a signal comes right after the line that says where it is`, async t => {
    const folder = await scratch(t)
    const [port] = await freePorts(1)
    const child = spawn(process.execPath, ['--import', stopAt(line), main, ...args], {
      env: {
        ...process.env,
        PORT: String(port),
        ANYCABLE_SECRET: 'canary',
        HOTCABLE_DB: join(folder, 'board.sqlite3'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    child.stdout.resume()

    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
}
