import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FormRefused, readCard } from './form.ts'

const bytes = (form: string) => Buffer.from(form, 'latin1')
const encoded = (fields: Record<string, string>) => bytes(new URLSearchParams(fields).toString())

test('the Board reads a form as the visitor typed it', () => {
  const typed = { body: ' "É" & <b>naïve</b> + 100% 🎉 ', author: 'Zoë' }

  assert.deepEqual(readCard(encoded(typed)), { body: typed.body.trim(), author: 'Zoë' })
})

test('a card without a name is anonymous', () => {
  assert.equal(readCard(bytes('body=x')).author, 'anonymous')
  assert.equal(readCard(bytes('body=x&author=+')).author, 'anonymous')
})

test('of several fields with one name the first counts, and a stray % is a %', () => {
  assert.deepEqual(readCard(bytes('body=100%&body=b&author=%zz')), { body: '100%', author: '%zz' })
})

test('characters are code points', () => {
  assert.equal(readCard(encoded({ body: '🎉'.repeat(500) })).body.length, 1000)
  assert.throws(() => readCard(encoded({ body: '🎉'.repeat(501) })), FormRefused)
  assert.throws(() => readCard(encoded({ body: 'x', author: 'x'.repeat(41) })), FormRefused)
})

for (const [what, form] of [
  ['nothing', ''],
  ['white space', 'body=+%09%0A'],
  ['a byte that is not UTF-8', 'body=%FF'],
  ['a raw byte that is not UTF-8', 'body=\xff'],
  ['a surrogate in UTF-8', 'body=%ED%A0%80'],
  ['a name that is not UTF-8', 'body=x&author=%C3'],
] as const) {
  test(`the Board refuses a card: ${what}`, () => assert.throws(() => readCard(bytes(form)), FormRefused))
}
