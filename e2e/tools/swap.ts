/**
 * `npm start` with the real AnyCable in the place of our cable, from the gem anycable-thruster: the swap test uses it.
 */
import { spawn } from 'node:child_process'
import { SECRET } from '../browser/demo.ts'
import { findAnycable, startAnycable } from '../conformance/servers.ts'

const anycable = await startAnycable(findAnycable()!)([
  `--secret=${SECRET}`,
  '--turbo_streams',
  '--broadcast_adapter=http',
  '--broker=memory',
  '--norpc',
])
const start = spawn(process.execPath, ['start/main.ts'], {
  stdio: 'inherit',
  env: { ...process.env, HOTCABLE_CABLE_URL: anycable.http, ANYCABLE_HTTP_BROADCAST_URL: anycable.broadcast },
})
start.once('exit', async code => {
  await anycable.stop()
  process.exit(code ?? 1)
})
process.once('SIGTERM', () => start.kill('SIGTERM'))
