import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { COMPLAINTS, CUTS, ENDINGS, EVENT_REFUSALS, GAPS, REJECTIONS, REQUEST_REFUSALS } from './errors.ts'
import { createLog } from './log.ts'

const TABLES = { COMPLAINTS, CUTS, ENDINGS, EVENT_REFUSALS, GAPS, REJECTIONS, REQUEST_REFUSALS }

/** A row is a fix, an object with a fix, or a status and a fix. */
const fixOf = (row: string | { fix: string } | readonly [number, string]) =>
  typeof row === 'string' ? row : 'fix' in row ? row.fix : row[1]

for (const [name, table] of Object.entries(TABLES)) {
  test(`every row of ${name} tells an operator what to do`, () => {
    for (const [code, row] of Object.entries(table)) assert.match(fixOf(row), /\w+ \w+/, code)
  })
}

test('the log has room for every fix', () => {
  const out = new PassThrough({ encoding: 'utf8', highWaterMark: 1 << 20 })
  const log = createLog('info', 'text', out)

  for (const table of Object.values(TABLES))
    for (const [code, row] of Object.entries(table)) {
      log.warn({}, `subscription rejected: ${code}: ${fixOf(row)}`)
      assert.ok(out.read()?.includes(fixOf(row)), code)
    }
})

const TROUBLES = readFileSync(new URL('../docs/troubleshooting.md', import.meta.url), 'utf8').split('\n## ')

/** The codes in the first column of the tables of a section. */
function codesOf(section: string): string[] {
  const cells = [...section.matchAll(/^\| ([^|]*?`[a-z_]+`[^|]*) \|/gm)].map(([, cell]) => cell!)
  return cells.flatMap(cell => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!))
}

test('docs/troubleshooting.md says what to do about every code, and names no other', () => {
  const codes = new Set(Object.values(TABLES).flatMap(table => Object.keys(table)))
  const named = new Set(TROUBLES.flatMap(codesOf))

  assert.deepEqual([...named].sort(), [...codes].sort())
})

/** The page shows `refused` if the client may not come back, and is offline while it tries again. */
const endings = (reconnect: boolean) =>
  Object.entries(ENDINGS).flatMap(([code, ending]) => (ending.reconnect === reconnect ? code : []))
const refusedHandshakes = Object.entries(CUTS).flatMap(([code, cut]) => ('status' in cut ? code : []))

for (const [symptom, codes] of [
  ['The page says *refused*', [...endings(false), ...Object.keys(REJECTIONS)]],
  ['The page says *offline*', [...endings(true), ...refusedHandshakes]],
  ['The page says that *something may be missing*', Object.keys(GAPS)],
  ['The app logs BroadcastFailed', Object.keys(REQUEST_REFUSALS)],
] as const)
  test(`docs/troubleshooting.md lists the codes of a symptom: ${symptom}`, () => {
    const named = codesOf(TROUBLES.find(section => section.startsWith(symptom))!)

    assert.deepEqual(
      codes.filter(code => !named.includes(code)),
      [],
    )
  })
