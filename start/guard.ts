/** Starts the watchdog and tells it which process groups are ours. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Guard {
  onGroup: (pid: number, alive: boolean) => void
}

export function createGuard(): Guard {
  const script = fileURLToPath(new URL('watchdog.ts', import.meta.url))
  // Detached: a Ctrl-C must not end the watchdog before its work.
  const watchdog = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watchdog.on('error', () => {})
  watchdog.stdin.on('error', () => {})
  watchdog.unref()
  return { onGroup: (pid, alive) => void watchdog.stdin.write(`${alive ? '+' : '-'}${pid}\n`) }
}
