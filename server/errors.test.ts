import assert from 'node:assert/strict'
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
