/**
 * A reporter for node:test that says how the process of a test file ended, if it failed beside its tests, and what it wrote
 * to stderr last. The other reporters say only that the file failed.
 */
import type { TestEvent } from 'node:test/reporters'

/** Characters of stderr. */
const MOST = 4_000

export default async function* crashes(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const said = new Map<string, string>()
  for await (const { type, data } of source) {
    if (type === 'test:stderr') said.set(data.file, ((said.get(data.file) ?? '') + data.message).slice(-MOST))
    if (type !== 'test:fail') continue
    const { exitCode, signal } = data.details.error as { exitCode?: number | null; signal?: string | null }
    if (exitCode === undefined) continue
    yield `\n${data.name} ended with ${signal ?? `exit code ${exitCode}`}\n${said.get(data.name) ?? ''}\n`
  }
}
