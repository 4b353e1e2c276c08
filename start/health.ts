import { setTimeout as pause } from 'node:timers/promises'

/** Polls until all URLs answer 200, or the time is over. Resolves with those that did not. (Tests use testing/child.ts.) */
export async function untilHealthy(urls: readonly string[], withinMs: number): Promise<string[]> {
  const deadline = performance.now() + withinMs
  let waiting = [...urls]
  for (;;) {
    const answers = await Promise.all(waiting.map(isHealthy))
    waiting = waiting.filter((_, at) => !answers[at])
    if (waiting.length === 0 || performance.now() > deadline) return waiting
    await pause(50)
  }
}

const isHealthy = async (url: string): Promise<boolean> => {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await answer.body?.cancel()
    return answer.ok
  } catch {
    return false
  }
}
