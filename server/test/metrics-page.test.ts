/** docs/operating.md names every metric that the cable serves, and no other. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { METRICS, startCable } from './test-cable.ts'

test('the metrics in docs/operating.md are those that the cable serves', async t => {
  const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8')
  const cable = await startCable(t, ['--noauth', '--rpc_host=http://127.0.0.1:1/_anycable', METRICS])

  const text = await (await fetch(new URL('/metrics', cable.url.cable.replace('ws', 'http')))).text()

  const served = [...text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name!)
  // (workers.test.ts reads the metrics that only a cable of several processes has.)
  const named = [...page.matchAll(/anycable_go_(?!workers_)\w+/g)].map(([name]) => name)
  assert.deepEqual([...new Set(named)].sort(), served.sort())
})
