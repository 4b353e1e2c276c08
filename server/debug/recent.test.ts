import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Publish } from '../broadcast/backend.ts'
import { createLog } from '../log.ts'
import { retained } from '../test/memory.ts'
import { createRecent } from './recent.ts'

const published: Publish = publications => publications
const nobody = { hasListeners: () => false }

test('200 messages of 250 KB, with long names and refusals, leave less than 2 MB', async () => {
  const bytes = await retained(() => {
    const recent = createRecent(() => 0)
    const publish = recent.published(published, { hub: nobody, newest: () => 0 })
    const log = recent.logged(createLog('error', 'text'))
    for (let n = 0; n < 200; n++) {
      const message = JSON.stringify(`${n} ${'x'.repeat(250e3)}`)
      publish([{ stream: `${n % 100} ${'n'.repeat(1e5)}`, message, transient: true }])
      log.debug({ code: 'x' }, `${n} ${'t'.repeat(1e5)}`)
    }
    return recent
  })

  assert.ok(bytes < 2e6, `${bytes} bytes`)
})
