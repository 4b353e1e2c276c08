/**
 * Ends the processes that `npm start` leaves behind when it is killed.
 *
 *   stdin   +1234   a process group started      -1234   it ended          end of input: `npm start` ended
 *
 * It is a separate process, because `npm start` cannot react to a SIGKILL. It reads a pipe, because the system closes the
 * pipe of a dead process.
 */
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { isAlive, signal } from './child.ts'

const GRACE_MS = 5000
const groups = new Set<number>()

for await (const line of createInterface({ input: process.stdin })) {
  const group = Number(line.slice(1))
  if (line.startsWith('+')) groups.add(group)
  else groups.delete(group)
}
for (const group of groups) signal(group, 'SIGTERM')
const deadline = performance.now() + GRACE_MS
while ([...groups].some(isAlive) && performance.now() < deadline) await pause(50)
for (const group of groups) signal(group, 'SIGKILL')
