const LONGEST_MS = 10_000

/** How long to wait after so many failures: doubling from about a second, ten at most, spread so that pages do not come all at once. */
export const backOffMs = (failures: number): number =>
  Math.min(LONGEST_MS, 1000 * 2 ** failures) * (0.5 + Math.random() / 2)

/** Does it until it succeeds, however long that takes: a page that gives up is a page that is silently stale. */
export async function untilDone<T>(task: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await task()
    } catch {
      await new Promise(resolve => setTimeout(resolve, backOffMs(failures)))
    }
  }
}
