import { compile, installSocketIo, SCRATCH } from './build.ts'
import { spawnSync } from 'node:child_process'
import type { Bench } from './bench.ts'
import { Figures } from './figures.ts'
import { anycable, hotcable } from './peers/cables.ts'
import { limit, nchan, socketIo } from './peers/plain.ts'
import { frameSize, visit } from './rows/fan-out.ts'
import { GENERATOR_CORE } from './process.ts'

const quick = process.argv.includes('--quick')
spawnSync('taskset', ['-cp', String(GENERATOR_CORE), String(process.pid)])
const bench: Bench = { figures: new Figures(), quick, generator: compile('generator')!, scratch: SCRATCH, bytes: 0, note: console.log }
bench.bytes = await frameSize(bench, hotcable())
console.log(bench.bytes)
const visits = [
  { name: 'Hotcable', peer: hotcable() },
  { name: 'Hotcable distinct', peer: hotcable(), distinct: true },
  { name: 'C limit', peer: limit(compile('limit')) },
  { name: 'nchan', peer: nchan() },
  { name: 'socket.io', peer: socketIo(installSocketIo()) },
  { name: 'AnyCable', peer: anycable() },
]
for (let i = 0; i < (quick ? 1 : 3); i++) for (const v of visits) {
  const t = performance.now()
  await visit(bench, v); console.log(i, v.name, (performance.now() - t).toFixed(0), bench.figures.get('us 1k', v.name)?.median, bench.figures.get('us 10k', v.name)?.median, bench.figures.get('us 10k x16', v.name)?.median) }
const f = (n: number) => n.toPrecision(3)
for (const m of ['us 1k', 'us 10k', 'us 10k x16', 'last 1k', 'last 10k', 'herd', 'rss', 'bytes', 'server 10k', 'load 10k', 'server 10k x16', 'load 10k x16']) {
  console.log(m)
  for (const { name } of visits) { const s = bench.figures.get(m, name); if (s) console.log('  ', name.padEnd(20), f(s.median), `${f(s.least)}–${f(s.most)}`, 'x', f(bench.figures.get(m, 'Hotcable')!.median / s.median)) }
}
process.exit(0)
