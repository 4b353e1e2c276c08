/**
 * A reporter for node:test that writes the counts that `npm test` adds up: {"passed", "failed", "skipped"}.
 */
import type { TestEvent } from 'node:test/reporters'

export default async function* tally(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    // One summary per file, and one without a file for the whole run.
    if (event.type !== 'test:summary' || event.data.file !== undefined) continue
    const { tests, passed, skipped, todo } = event.data.counts
    yield JSON.stringify({ passed, failed: tests - passed - skipped - todo, skipped: skipped + todo })
  }
}
