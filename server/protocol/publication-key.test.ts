import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestRefused } from '../errors.ts'
import { parseRequest } from './publication.ts'

const stream = (action: string, more = 'target="bar"', html = '') =>
  `<turbo-stream action="${action}" ${more}><template>${html}</template></turbo-stream>`
const parse = (data: unknown, meta: object) => {
  const request = parseRequest(JSON.stringify({ stream: 'a', data: JSON.stringify(data), meta }))
  assert.ok('publications' in request)
  return request.publications[0]!
}
const keyOf = (data: unknown, key = 'k', type?: string) => parse(data, { key, broadcast_type: type }).key

test('a publication has a key only if its backend gave one', () => {
  for (const meta of [{}, { key: null }]) assert.equal('key' in parse(stream('append'), meta), false)
  for (const key of ['a', ' ', '🔑'.repeat(64)]) assert.ok(keyOf('x', key))
})

for (const [about, one, other] of [
  ['data', { percent: 1 }, { percent: 2 }],
  ['text', 'one', 'two'],
  ['updates of one target', stream('update', 'target="bar"', '1'), stream('update', 'target="bar"', '2')],
  ['attributes that Turbo does not need', stream('replace'), stream('replace', 'method="morph" target="bar"')],
  ['spellings of HTML', stream('update'), "<TURBO-STREAM target=bar\naction='update'></TURBO-STREAM>"],
] as const) {
  test(`two messages with one key replace each other: ${about}`, () => {
    assert.equal(keyOf(one), keyOf(other))
    assert.notEqual(keyOf(one), keyOf(other, 'another key'))
  })
}

for (const [about, one, other] of [
  ['another target', stream('update'), stream('update', 'target="card"')],
  ['targets by a selector', stream('update'), stream('update', 'targets="bar"')],
  ['another action: update leaves the attributes that replace sets', stream('replace'), stream('update')],
  ['a second element', stream('update'), stream('update') + stream('update', 'target="card"')],
  ['an element inside', stream('update'), stream('update', 'target="bar"', stream('update', 'target="card"'))],
  ['data and HTML', 'bar', stream('update')],
] as const) {
  test(`a message replaces no other that it does not overwrite: ${about}`, () => {
    assert.notEqual(keyOf(one), keyOf(other))
  })
}

test('messages of different types do not replace each other', () => {
  assert.notEqual(keyOf('x', 'k'), keyOf('x', 'k', 'custom'))
  assert.equal(keyOf('x', 'k'), keyOf('x', 'k', ''))
})

for (const action of ['append', 'prepend', 'before', 'after', 'remove', 'refresh', 'custom', 'Update', '']) {
  test(`a key does not go with an action that overwrites nothing: ${action || 'none'}`, () => {
    for (const html of [
      stream(action),
      stream('update') + stream(action),
      stream('update', 'target="bar"', stream(action)),
    ])
      assert.throws(
        () => keyOf(html),
        (error: unknown) =>
          error instanceof RequestRefused &&
          error.code === 'publication_malformed' &&
          error.message.includes(`meta.key goes with the actions replace and update alone, not with "${action}"`),
      )
  })
}

for (const key of ['', 7, ['a'], {}, false, 'x'.repeat(65), '🔑'.repeat(65)]) {
  test(`a malformed key is refused: ${JSON.stringify(key)}`, () => {
    assert.throws(() => parse('x', { key }), /meta\.key must be a string of 1 to 64 characters/)
  })
}
