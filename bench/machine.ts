/**
 * The machine: whether it can run the bench, and how much CPU other programs used meanwhile.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release } from 'node:os'

/** File descriptors for ten thousand clients and a reserve. */
const DESCRIPTORS = 10_300

/** Returns why this machine cannot run the bench. */
export function unfit(): string | undefined {
  if (process.platform !== 'linux') return 'the bench needs Linux: it reads CPU times from /proc'
  if (availableParallelism() < 2) return 'the bench needs two cores: one for the server, one for the load generator'
  if (spawnSync('taskset', ['--version']).error) return 'taskset is missing (Debian: util-linux)'
  const limit = /Max open files\s+\S+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  if (Number(limit) < DESCRIPTORS) return `10k clients need ulimit -Hn ${DESCRIPTORS}; it is ${limit}`
  return undefined
}

export function describe(): string {
  const { stdout: commit } = spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' })
  return [
    new Date().toISOString().slice(0, 16).replace('T', ' '),
    `${cpus()[0]?.model.trim()}, ${cpus().length} cores`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
    `commit ${commit.trim()}`,
  ].join(' · ')
}

/** Returns how long the cores were busy, or the host ran other machines on them, in ms. */
export function busyMs(cores: readonly number[]): number {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n')
  let ticks = 0
  for (const core of cores) {
    const line = lines.find(text => text.startsWith(`cpu${core} `))!
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(' ').slice(1).map(Number)
    ticks += user + nice + system + irq + softirq + steal
  }
  return ticks * 10
}
