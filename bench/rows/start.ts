/**
 * From start to ready: CPU, and the packages that Node loaded. The first start on a machine compiles the code, and takes
 * twice the CPU; we measure the others.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench } from '../bench.ts'
import { hotcable } from '../peers/cables.ts'
import { cpuMs } from '../process.ts'

/** Packages that only some settings need. */
const OPTIONAL = /^(redis|@redis\/.*|ioredis|nats|@nats-io\/.*|@grpc\/.*)$/

export async function start({ figures, quick, scratch, note }: Bench): Promise<void> {
  // (Node keeps the compiled code when a program ends.)
  await (await hotcable([], [], { signal: 'SIGTERM' }).start()).program.stop()
  for (let i = 0; i < (quick ? 3 : 8); i++) {
    const { program } = await hotcable().start()
    figures.add('start', 'Hotcable', cpuMs(program.pid) / 1000)
    await program.stop()
  }
  const packages = await loaded(scratch)
  figures.add('optional', 'Hotcable', packages.filter(name => OPTIONAL.test(name)).length)
  note(`loaded at start: ${packages.join(', ')}`)
}

/** Returns the packages that Node executed, as its coverage shows. */
async function loaded(scratch: string): Promise<string[]> {
  const folder = mkdtempSync(join(scratch, 'coverage-'))
  const { program } = await hotcable([], [], {
    env: { NODE_V8_COVERAGE: folder, NODE_DISABLE_COMPILE_CACHE: '1' },
    signal: 'SIGTERM',
  }).start()
  await program.stop()
  const scripts = readdirSync(folder).flatMap(
    name => JSON.parse(readFileSync(join(folder, name), 'utf8')).result as { url: string }[],
  )
  rmSync(folder, { recursive: true })
  if (scripts.length === 0) throw new Error('the cable wrote no coverage')
  const names = scripts.map(({ url }) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1])
  return [...new Set(names.filter(name => name !== undefined))].sort()
}
