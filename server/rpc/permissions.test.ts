import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Permissions } from './permissions.ts'

test('what is remembered is bounded in bytes, and the oldest identity gives way', () => {
  const permissions = new Permissions(100_000)
  for (let n = 0; n < 1000; n++) permissions.set(`user ${n}`, 'room', 60)

  assert.ok(permissions.bytes <= 100_000 && permissions.bytes > 90_000, String(permissions.bytes))
  assert.equal(permissions.until('user 0', 'room', 0), undefined)
  assert.equal(permissions.until('user 999', 'room', 0), 60)
})

test('nothing is left of what was forgotten, or has ended', () => {
  const permissions = new Permissions(100_000)
  for (const identity of ['ada', 'bob', 'eve'])
    for (const stream of ['one', 'two', 'two']) permissions.set(identity, stream, 60)
  permissions.forget('ada')
  permissions.delete('bob', 'one')
  permissions.delete('bob', 'none')
  assert.equal(permissions.until('bob', 'two', 59), 60)
  assert.equal(permissions.until('bob', 'two', 60), undefined)
  permissions.expire(60)

  assert.equal(permissions.bytes, 0)
})
