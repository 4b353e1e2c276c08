/** Where a function leaves what must end later: a test, or {@link withEnds}. */
export interface Ends {
  after: (end: () => unknown) => void
}

/** Runs `run` outside a test, and then what it left, the last first. */
export async function withEnds<T>(run: (ends: Ends) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = []
  try {
    return await run({ after: end => ends.push(end) })
  } finally {
    for (const end of ends.reverse()) await end()
  }
}
