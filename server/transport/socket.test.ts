import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ConnectionListener } from '../hub/connection.ts'
import { Turn } from '../hub/turn.ts'
import { ClientSocket, type PackageSocket } from './socket.ts'
import { Wheel } from './wheel.ts'

const nothing = () => {}

/** A connection to a client that reads nothing, and whether the socket found the client too slow. */
function sleeper(t: TestContext, turn: Turn) {
  const peer: PackageSocket = {
    protocol: '',
    isPaused: false,
    ping: nothing,
    pause: nothing,
    resume: nothing,
    close: nothing,
    terminate: nothing,
  }
  const rate = { burst: 1, perSecond: 1 }
  const counts = { refused: nothing, delayed: nothing, sent: nothing, received: nothing }
  const stuck = new Duplex({ read: nothing, write: nothing })
  const socket = new ClientSocket(peer, stuck, { maxPendingSize: 1000, rate, turn, ...counts })
  const found = { slow: false }
  const listener: ConnectionListener = {
    message: () => 'done',
    heard: nothing,
    drained: nothing,
    tooSlow() {
      found.slow = true
    },
    flooded: nothing,
    closed: nothing,
  }
  const probes = new Wheel<ClientSocket>(1000, nothing, assert.fail)
  t.after(() => probes.stop())
  socket.listen(listener, probes)
  return { socket, found }
}

test('several writes in one turn do not make a reader too slow', async t => {
  const turn = new Turn(assert.fail, globalThis.setImmediate)
  const { socket, found } = sleeper(t, turn)
  const writes = () => {
    // The hub writes at once when another client's command is answered in the same turn.
    turn.first(nothing)
    for (let i = 0; i < 5; i++) socket.deliver(Buffer.alloc(600), 1, false)
  }
  writes()
  assert.equal(found.slow, false)

  await setImmediate()
  writes()
  assert.equal(found.slow, false, 'one write is under way')

  await setImmediate()
  writes()
  assert.equal(found.slow, true)
})
