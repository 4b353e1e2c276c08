import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { createMetrics } from '../metrics.ts'
import { createOutbox } from './outbox.ts'
import { MAX_READ_BYTES, MAX_READ_ROWS, type OutboxTable, type Row } from './outbox-table.ts'

let serial = 0
const rows = (count: number, publication = '{}'): Row[] =>
  Array.from({ length: count }, () => ({ id: `${++serial}`, name: `${serial}`, publication }))

for (const [what, waiting] of [
  ['rows', () => rows(MAX_READ_ROWS)],
  ['bytes', () => rows(1, 'ü'.repeat(MAX_READ_BYTES / 2))],
] as const) {
  test(`a cable is ready, and admits clients, once the ${what} that waited are published, though more come`, async t => {
    let next: () => Row[] = waiting
    let reads = 0
    const table: OutboxTable = {
      open: async () => 'alone',
      read: async () => {
        // (As a database, it lets others run.)
        await tick()
        reads++
        return next()
      },
      settle: async () => {},
      changed: async () => {},
      close: async () => {},
      isReadOnly: false,
    }
    const silent = () => {}
    const outbox = createOutbox({
      load: async () => table,
      metrics: createMetrics({}),
      publish: silent,
      isShared: false,
      lost: () => assert.fail('no client was here'),
      missed: () => assert.fail('no client was here'),
      pause: () => new Promise(() => {}),
      failed: error => assert.fail(error as Error),
      log: { debug: silent, info: silent, warn: silent, error: silent },
    })
    const started = outbox.start()
    t.after(() => {
      next = () => []
      return Promise.race([outbox.stop(), tick()])
    })
    const pass = async (count: number) => {
      for (const from = reads; reads < from + count; ) await tick()
    }

    await pass(3)
    assert.equal(outbox.closed, 'outbox_elsewhere')
    assert.deepEqual(outbox.conditions, [{ says: 'the outbox starts', isReady: false }])
    next = () => rows(1)
    await pass(3)

    assert.equal(outbox.closed, undefined)
    assert.deepEqual(outbox.conditions, [])
    await started
  })
}
