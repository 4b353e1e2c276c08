/** The web app as a process. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../start/network.ts'

async function startWeb(t: TestContext, stderr: 'pipe' | number) {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-web-'))
  const [port, nowhere] = await freePorts(2)
  const script = fileURLToPath(new URL('main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
    stdio: ['ignore', 'pipe', stderr],
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      HOTCABLE_DB: join(folder, 'board.sqlite3'),
      HOTCABLE_CABLE_URL: `http://127.0.0.1:${nowhere}`,
      ANYCABLE_SECRET: 'canary',
    },
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
    rmSync(folder, { recursive: true, force: true })
  })
  await once(child.stdout!, 'data')
  return { child, url: `http://127.0.0.1:${port}` }
}

/** Posts forms. Without a cable their broadcasts fail, and each writes a line to the log. */
async function addCards(url: string): Promise<void> {
  for (let n = 0; n < 3; n++) {
    const body = new URLSearchParams({ body: `card ${n}` })
    assert.equal((await fetch(`${url}/cards`, { method: 'POST', body, redirect: 'manual' })).status, 303)
  }
}

test('the Board keeps running when the reader of its log leaves', async t => {
  const { child, url } = await startWeb(t, 'pipe')
  child.stderr!.destroy()

  await addCards(url)

  assert.equal((await fetch(url)).status, 200)
  assert.equal(child.exitCode, null)
})

test('the Board keeps running when the disk of its log is full', { skip: !existsSync('/dev/full') }, async t => {
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const { child, url } = await startWeb(t, full)

  await addCards(url)

  assert.equal((await fetch(url)).status, 200)
  assert.equal(child.exitCode, null)
})
