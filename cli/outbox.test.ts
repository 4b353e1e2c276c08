import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { hotcable } from './testing.ts'

test('hotcable outbox prints the table as SQL that SQLite executes, and --apply makes the same table, twice', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-outbox-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [printed, applied] = [join(folder, 'printed'), join(folder, 'applied')]
  const { code, stdout } = await hotcable(['outbox', '--print-schema', `--outbox=sqlite:${printed}`])
  assert.equal(code, 0)
  for (let time = 0; time < 2; time++)
    assert.equal((await hotcable(['outbox', '--apply'], { env: { HOTCABLE_OUTBOX: `sqlite:${applied}` } })).code, 0)

  const table = (path: string) => {
    const database = new DatabaseSync(path)
    t.after(() => database.close())
    if (path === printed) database.exec(stdout)
    return database.prepare('SELECT sql FROM sqlite_schema').all()
  }
  assert.deepEqual(table(printed), table(applied))
})

test('hotcable outbox prints the table of PostgreSQL, in the schema of its URL, without a connection', async () => {
  const { code, stdout } = await hotcable([
    'outbox',
    '--print-schema',
    '--outbox=postgresql://me:canary@h/app?schema=my',
  ])
  assert.equal(code, 0)
  assert.match(stdout, /CREATE TABLE IF NOT EXISTS "my"\.hotcable_outbox \(/)
  assert.doesNotMatch(stdout, /canary/)
})

for (const [args, message] of [
  [['--apply'], /needs --outbox/],
  [['--outbox=sqlite:x'], /needs --print-schema or --apply/],
  [['--apply', '--print-schema', '--outbox=sqlite:x'], /needs --print-schema or --apply/],
  [['--oops'], /cannot read its arguments/],
] as const) {
  test(`hotcable outbox ${args.join(' ')} is a mistake, and says so`, async () => {
    const { code, stderr } = await hotcable(['outbox', ...args])
    assert.equal(code, 2)
    assert.match(stderr, message)
  })
}

for (const url of ['mysql://host/app', 'sqlite:/no/such/folder/app.sqlite', 'postgres://me:canary@127.0.0.1:1/app']) {
  test(`hotcable outbox --apply --outbox=${url} fails in one line`, async () => {
    const { code, stderr } = await hotcable(['outbox', '--apply', `--outbox=${url}`])
    assert.equal(code, 1)
    assert.match(stderr, /^hotcable outbox: .*\n$/)
    assert.doesNotMatch(stderr, /canary/)
  })
}
