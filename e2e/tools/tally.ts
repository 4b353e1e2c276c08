/**
 * A reporter for node:test that writes the counts that `npm test` adds up: {"passed", "failed", "skipped", "crashes"}.
 *
 * `crashes` says how the processes of test files ended that failed beside their tests, and what they wrote to stderr last:
 * other reporters say only that the file failed.
 */
import type { TestEvent } from 'node:test/reporters'

/** Characters of stderr. */
const MOST = 4_000

export default async function* tally(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const said = new Map<string, string>()
  const crashes: string[] = []
  for await (const { type, data } of source) {
    if (type === 'test:stderr') said.set(data.file, ((said.get(data.file) ?? '') + data.message).slice(-MOST))
    if (type === 'test:fail') {
      const { exitCode, signal } = data.details.error as { exitCode?: number | null; signal?: string | null }
      if (exitCode !== undefined)
        crashes.push(`${data.name} ended with ${signal ?? `exit code ${exitCode}`}\n${said.get(data.name) ?? ''}`)
    }
    // One summary per file, and one without a file for the whole run.
    if (type !== 'test:summary' || data.file !== undefined) continue
    const { tests, passed, skipped, todo } = data.counts
    yield JSON.stringify({ passed, failed: tests - passed - skipped - todo, skipped: skipped + todo, crashes })
  }
}
