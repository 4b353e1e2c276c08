import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { test } from 'node:test'
import type { Every } from '../base/clocks.ts'
import { METRICS, startCable } from '../test/test-cable.ts'

test('metrics have their own port and address, and are then not on the port of clients', async t => {
  for (const flags of [['--metrics_port=0'], ['--metrics_host=127.0.0.2', '--metrics_port=0']]) {
    const cable = await startCable(t, ['--noauth', METRICS, ...flags])
    const clients = new URL('/metrics', cable.url.cable.replace('ws', 'http'))

    const { hostname, port, pathname } = new URL(cable.url.metrics!)
    assert.deepEqual([hostname, pathname], [flags[0] === '--metrics_port=0' ? '127.0.0.1' : '127.0.0.2', '/metrics'])
    assert.notEqual(port, clients.port)
    assert.match(await (await fetch(cable.url.metrics!)).text(), /^anycable_go_clients_num 0$/m)
    assert.equal((await fetch(clients)).status, 404)
    assert.equal((await fetch(new URL('/_broadcast', cable.url.metrics!), { method: 'POST' })).status, 404)
  }
})

test('metrics may share the port of broadcasts', async t => {
  const free = createServer().listen(0, '127.0.0.1')
  await new Promise(listening => free.once('listening', listening))
  const { port } = free.address() as AddressInfo
  await new Promise(closed => free.close(closed))

  const cable = await startCable(t, ['--noauth', METRICS, `--metrics_port=${port}`, `--http_broadcast_port=${port}`])

  assert.equal(new URL(cable.url.metrics!).port, new URL(cable.url.broadcast).port)
  assert.equal((await fetch(cable.url.metrics!)).status, 200)
})

test('tags are labels of every metric, escaped', async t => {
  const cable = await startCable(t, ['--noauth', METRICS, '--metrics_tags=env:production, node_id:a "b" \\c'])

  const lines = (await (await fetch(cable.url.metrics!)).text()).split('\n').filter(line => /^\w/.test(line))

  assert.ok(lines.length > 40)
  for (const line of lines) assert.match(line, /env="production"/)
  for (const line of lines) assert.ok(line.includes(String.raw`node_id="a \"b\" \\c"`), line)
})

test('the log has the metrics at an interval: gauges as they are, counters since the last line', async t => {
  const repeated: { ms: number; then: () => void }[] = []
  const every: Every = (ms, then) => {
    const entry = { ms, then }
    repeated.push(entry)
    return () => void repeated.splice(repeated.indexOf(entry), 1)
  }
  const names = 'clients_num,client_msg_total,rpc_call_total'
  const flags = ['--public', '--metrics_log', '--metrics_rotate_interval=7', `--metrics_log_filter=${names}`]
  const cable = await startCable(t, flags, { every })
  const { then: log } = repeated.find(({ ms }) => ms === 7000)!
  const logged = () => {
    log()
    return cable.lines
      .at(-1)!
      .replace(/^\S+ \S+ /, '')
      .trim()
  }
  const client = await cable.welcomed()
  for (const _ of [1, 2]) {
    client.send({ command: 'ping' })
    assert.deepEqual(await client.next(), { type: 'pong' })
  }

  assert.equal(logged(), 'INF metrics context=metrics client_msg_total=2 clients_num=1')
  assert.equal(logged(), 'INF metrics context=metrics client_msg_total=0 clients_num=1')
  assert.match(cable.lines.join(''), /WRN --metrics_log_filter names metrics .* names=rpc_call_total\n/)
  await cable.close()
  assert.equal(
    repeated.some(({ ms }) => ms === 7000),
    false,
  )
})

test('without a filter the log has every metric without labels', async t => {
  const repeated = new Map<number, () => void>()
  const every: Every = (ms, then) => {
    repeated.set(ms, then)
    return () => {}
  }
  const cable = await startCable(t, ['--noauth', '--metrics_log'], { every })

  repeated.get(15_000)!()

  const names = [...cable.lines.at(-1)!.matchAll(/ (\w+)=/g)].map(([, name]) => name)
  assert.deepEqual(names.slice(1), names.slice(1).toSorted())
  for (const name of ['clients_num', 'failed_auths_total', 'broadcast_msg_total', 'mem_sys_bytes'])
    assert.ok(names.includes(name), name)
})
