import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTooDeep, MAX_DEPTH, memberOf } from './json.ts'

const nested = (levels: number, open = '[', close = ']') => open.repeat(levels) + close.repeat(levels)

test('lists and objects may nest 64 levels deep, but not 65', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"a":[', ']}]'],
  ] as const) {
    const levels = open.match(/[[{]/g)!.length
    const most = Math.floor(MAX_DEPTH / levels)
    assert.equal(isTooDeep(nested(most, open, close)), false)
    assert.equal(isTooDeep(nested(most + 1, open, close)), true)
  }
})

test('brackets in a string do not count, also after escaped quotes and backslashes', () => {
  const brackets = '['.repeat(100)
  for (const text of [brackets, `"${brackets}`, `\\${brackets}`, `\\"${brackets}`, `\\\\"${brackets}"`])
    assert.equal(isTooDeep(JSON.stringify({ [text]: [text, text] })), false, text)
  assert.equal(isTooDeep(`["\\\\",${nested(64)}]`), true)
})

test('many lists beside each other are not deep', () => {
  assert.equal(isTooDeep(`[${'[],'.repeat(1000)}[]]`), false)
})

test('the scan reads text that is not JSON to its end', () => {
  for (const text of ['"'.padEnd(200, '\\'), ']'.repeat(200), `"${'['.repeat(200)}`])
    assert.equal(isTooDeep(text), false, text)
})

for (const [json, expected] of [
  ['{"data":1}', '1'],
  ['{"data":{}}', '{}'],
  ['{}', undefined],
  ['{"other":{"data":1},"list":[{"data":2}]}', undefined],
  ['{"other":"data","data":"other"}', '"other"'],
  ['{"data":1,"data":[2,{"data":3}],"x":0}', '[2,{"data":3}]'],
  ['{"d\\u0061ta":1}', '1'],
  ['{"data\\"":1,"\\\\":2}', undefined],
  [' { "data" : [ 1 , "}" ] , "x" : ":" } ', '[ 1 , "}" ]'],
  ['{"data":123456789012345678901234567890}', '123456789012345678901234567890'],
  ['{"x":"data","y":1e400,"data":-0}', '-0'],
] as const) {
  test(`memberOf returns a member's text: ${json}`, () => {
    assert.equal(memberOf(json, 'data'), expected)
  })
}
