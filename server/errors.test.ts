import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { COMPLAINTS, CUTS, ENDINGS, EVENT_REFUSALS, GAPS, REJECTIONS, REQUEST_REFUSALS } from './errors.ts'

const TABLES = { COMPLAINTS, CUTS, ENDINGS, EVENT_REFUSALS, GAPS, REJECTIONS, REQUEST_REFUSALS }

/** A row is a fix, an object with a fix, or a status and a fix. */
const fixOf = (row: string | { fix: string } | readonly [number, string]) =>
  typeof row === 'string' ? row : 'fix' in row ? row.fix : row[1]

for (const [name, table] of Object.entries(TABLES)) {
  test(`every row of ${name} tells an operator what to do`, () => {
    for (const [code, row] of Object.entries(table)) assert.match(fixOf(row), /\w+ \w+/, code)
  })
}

test('docs/troubleshooting.md says what to do about every code, and names no other', () => {
  const page = readFileSync(new URL('../docs/troubleshooting.md', import.meta.url), 'utf8')
  const codes = new Set(Object.values(TABLES).flatMap(table => Object.keys(table)))
  const cells = [...page.matchAll(/^\| ([^|]*?`[a-z_]+`[^|]*) \|/gm)].map(([, cell]) => cell!)
  const named = new Set(cells.flatMap(cell => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!)))

  assert.deepEqual(
    [...codes].filter(code => !named.has(code)),
    [],
  )
  assert.deepEqual(
    [...named].filter(code => !codes.has(code)),
    [],
  )
})
