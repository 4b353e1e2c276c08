import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Turn } from './turn.ts'

const broken = () => {
  throw new Error('broken')
}

test('after a task throws, the other tasks run, and written bytes leave', async () => {
  const failures: unknown[] = []
  const done: string[] = []
  const turn = new Turn(error => void failures.push(error), setImmediate)
  const socket = new PassThrough()
  turn.first(broken)
  turn.hold(socket)
  socket.write('frame')
  turn.after(broken)
  turn.after(() => void done.push('after'))

  assert.equal(String((await once(socket, 'data'))[0]), 'frame')
  await new Promise<void>(resolve => turn.after(resolve))

  assert.deepEqual(done, ['after'])
  assert.equal(failures.length, 2)
})

test('a broken task that waits does not fail a send', () => {
  const failures: unknown[] = []
  const turn = new Turn(error => void failures.push(error), setImmediate)
  turn.first(broken)

  turn.settle()

  assert.equal(failures.length, 1)
})
