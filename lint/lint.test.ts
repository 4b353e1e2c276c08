/** Each never-rule of lint/ and of biome.json refuses an example of what it forbids, in a project made of examples. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'

type Example = readonly [path: string, text: string, rule: string]

const load = (from: string) => `import { it } from '${from}'\nexport const that = it\n`
const [LAYERS, BORDERS, HANDED] = ['lint/layers.grit', 'lint/borders.grit', 'lint/handed.grit']
const GLOBALS = 'lint/style/noRestrictedGlobals'

const REFUSED: readonly Example[] = [
  ['server/session/a.ts', load('../transport/socket.ts'), LAYERS],
  ['server/hub/a.ts', load('../broadcast/publish.ts'), LAYERS],
  ['server/base/a.ts', load('../auth/keys.ts'), LAYERS],
  ['server/http/a.ts', load('../cable.ts'), LAYERS],
  ['server/rpc/a.ts', load('../session/session.ts'), LAYERS],
  ['server/config/c.ts', load('../debug/decode.ts'), LAYERS],
  ['server/session/d.ts', load('../debug/decode.ts'), LAYERS],
  ['server/transport/b.ts', load('../workers/peer.ts'), LAYERS],
  ['server/workers/a.ts', load('../../web/app.ts'), BORDERS],
  ['server/history/a.ts', load('../../web/app.ts'), BORDERS],
  ['server/cable.ts', load('../backends/typescript/hotcable.ts'), BORDERS],
  ['server/config/a.ts', load('../../testing/raw.ts'), BORDERS],
  ['web/a.ts', load('../server/errors.ts'), BORDERS],
  ['client/a.ts', load('../server/errors.ts'), BORDERS],
  ['client/b.ts', load('../web/app.ts'), BORDERS],
  ['e2e/browser/a.ts', load('../../server/errors.ts'), BORDERS],
  ['server/config/b.ts', load('../../cli/io.ts'), BORDERS],
  ['cli/a.ts', load('../web/app.ts'), BORDERS],
  ['cli/b.ts', load('../backends/check/explain.ts'), BORDERS],
  ['testing/a.ts', load('../start/network.ts'), BORDERS],
  ['backends/typescript/hotcable.ts', load('ws'), BORDERS],
  ['server/transport/socket.ts', load('ws'), BORDERS],
  ['server/auth/identity.ts', load('jose'), BORDERS],
  ['server/brokers/redis.ts', load('redis'), BORDERS],
  ['server/broadcast/redis.ts', load('@redis/client'), BORDERS],
  ['server/broadcast/backend.ts', load('pg'), BORDERS],
  ['server/rpc/http.ts', load('@grpc/grpc-js'), BORDERS],
  ['server/session/b.ts', load('node:timers/promises'), HANDED],
  ['server/protocol/a.ts', load('node:crypto'), HANDED],
  ['server/channels/a.ts', 'export const it = Math.random()\n', HANDED],
  ['server/hub/b.ts', 'export const it = Date.now()\n', GLOBALS],
  ['server/session/c.ts', 'setTimeout(() => {}, 1)\n', GLOBALS],
  ['web/b.ts', 'export const it = process.env.HOME\n', 'lint/style/noProcessEnv'],
  ['start/b.ts', "import { a } from './c.ts'\nexport const b = a\n", 'lint/suspicious/noImportCycles'],
  ['start/c.ts', "import type { b } from './b.ts'\nexport const a: typeof b = 1\n", 'lint/suspicious/noImportCycles'],
]

test('the linter refuses an example of everything that the design forbids', t => {
  const found = lint(t, REFUSED)

  for (const [path, text, rule] of REFUSED)
    assert.ok(
      found.some(line => line.includes(`/${path},`) && line.includes(rule)),
      `${path}: ${text}\n${found.join('\n')}`,
    )
})

test('the linter accepts an example of everything that the design allows', t => {
  const allowed: Example[] = [
    ['server/session/a.ts', load('../hub/hub.ts'), ''],
    ['server/session/b.ts', load('../rpc/controller.ts'), ''],
    ['server/session/a.test.ts', load('../transport/socket.ts'), ''],
    ['server/transport/websocket.ts', load('ws'), ''],
    ['server/brokers/redis-client.ts', load('@redis/client'), ''],
    ['server/rpc/grpc.ts', load('@grpc/grpc-js'), ''],
    ['server/transport/a.ts', 'export const it = Date.now()\n', ''],
    ['backends/typescript/hotcable.ts', load('node:crypto'), ''],
    ['web/a.ts', load('../backends/typescript/hotcable.ts'), ''],
    ['web/client/a.ts', load('../../client/hotcable-status.js'), ''],
    ['server/http/a.ts', load('../../client/bundle.ts'), ''],
    ['cli/a.ts', load('../server/base/nearest.ts'), ''],
    ['cli/a.ts', load('../backends/typescript/hotcable.ts'), ''],
  ]

  assert.deepEqual(lint(t, allowed), [])
})

/** Returns the linter's errors, a line each. */
function lint(t: TestContext, examples: readonly Example[]): string[] {
  const scratch = mkdtempSync(join(tmpdir(), 'hotcable-lint-'))
  t.after(() => rmSync(scratch, { recursive: true }))
  // The folder of the clone must not matter.
  const project = join(scratch, 'server/web/e2e/project')
  mkdirSync(project, { recursive: true })
  for (const name of ['biome.json', 'lint']) cpSync(name, join(project, name), { recursive: true })
  rmSync(join(project, 'lint/lint.test.ts'))
  for (const [path, text] of examples) {
    mkdirSync(dirname(join(project, path)), { recursive: true })
    writeFileSync(join(project, path), text)
  }
  const biome = resolve('node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none']
  const { stdout, error } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8' })
  if (error) throw error
  return stdout.split('\n').filter(line => line.startsWith('::error'))
}
