import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createMetrics } from './metrics.ts'

function start(t: TestContext) {
  const metrics = createMetrics({})
  t.after(metrics.stop)
  return metrics
}

test('refusals are counted by codes that stand in a table of errors.ts', async t => {
  const metrics = start(t)
  for (const code of ['token_expired', 'channel_unknown', 'not_subscribed', 'gap_too_old'] as const)
    metrics.refused(code)
  metrics.refused('peer_vanished')
  metrics.refused('peer_vanished')

  assert.match(await metrics.text(), /refusals_total\{code="peer_vanished"\} 2\n/)
  // @ts-expect-error: a code that stands in no table does not compile.
  metrics.refused('token_expird')
})
