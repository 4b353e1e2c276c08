/** The scripts of package.json, run by npm: a signal that ends npm also ends the processes that it started. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { family, linux, ROOT, start, until } from './testing.ts'

for (const script of ['start', 'cable']) {
  test(`a SIGTERM to npm ends every process that npm run ${script} started`, linux, async t => {
    const settings = script === 'cable' ? ['--', '--noauth', '--port=0', '--http_broadcast_port=0'] : []
    const { child, env, lines } = await start(t, {}, ['npm', 'run', script, ...settings])
    await until(() => lines.some(line => /is live at|backends broadcast to/.test(line)))
    assert.ok(family(env).length > 1)

    child.kill('SIGTERM')

    await until(() => family(env).length === 0)
  })
}

const OLD = process.env
  .PATH!.split(delimiter)
  .map(folder => join(folder, 'node'))
  .find(isOld)

for (const script of ['start', 'cable']) {
  test(`npm run ${script} reports a Node that is too old in one line with the version`, {
    skip: OLD === undefined && 'PATH has no old Node',
  }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'hotcable-old-'))
    t.after(() => rmSync(folder, { recursive: true }))
    for (const part of ['package.json', 'server', 'start'])
      cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    const env = { ...process.env, PATH: join(OLD!, '..') + delimiter + process.env.PATH }
    const npm = spawn('npm', ['run', '--silent', script], { cwd: folder, env })
    let said = ''
    for (const stream of [npm.stdout, npm.stderr]) stream.on('data', data => (said += data))
    const [code] = await once(npm, 'close')

    assert.equal(code, 1)
    assert.match(said, /^Hotcable needs Node 22\.18 or newer, and this is v\d+\.[^\n]*\n$/)
  })
}

function isOld(node: string): boolean {
  try {
    return execFileSync(node, ['-p', '!process.features.typescript'], { encoding: 'utf8' }).trim() === 'true'
  } catch {
    return false
  }
}
