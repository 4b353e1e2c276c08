import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bearerKeys } from './keys.ts'

/** As Node gives a header: its bytes as Latin-1. */
const header = (key: string) => Buffer.from(`Bearer ${key}`).toString('latin1')

const LONG = 'k'.repeat(2_000)

for (const [about, keys, given, index] of [
  ['the first key', ['one', 'two'], header('one'), 0],
  ['a previous key', ['one', 'two'], header('two'), 1],
  ['the first of two equal keys', ['one', 'one'], header('one'), 0],
  ['another key', ['one', 'two'], header('three'), -1],
  ['the beginning of a key', ['one'], header('on'), -1],
  ['a key and more', ['one'], header('one1'), -1],
  ['a key and zeros', ['one'], `${header('one')}\0`, -1],
  ['another scheme', ['one'], 'Basic one', -1],
  ['no header', ['one'], undefined, -1],
  ['an empty header', ['one'], '', -1],
  ['any header without keys', [], header(''), -1],
  ['a key that is not ASCII', ['schlüssel🔥'], header('schlüssel🔥'), 0],
  ['a long key', ['one', LONG], header(LONG), 1],
  ['the beginning of a long key', [LONG], header(LONG.slice(1)), -1],
  ['a longer header than all keys', ['one', LONG], header(LONG + LONG), -1],
  ['a short key after a long header', ['one', LONG], header('one'), 0],
] as const) {
  test(`the cable finds a bearer key, or refuses it: ${about}`, () => {
    const keyOf = bearerKeys(keys)
    // (Nothing of the previous header may remain.)
    keyOf(header(LONG))

    assert.equal(keyOf(given), index)
  })
}
