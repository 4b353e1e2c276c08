/**
 * What was measured: samples by measure and server, and what they say.
 */

export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
}

export class Figures {
  readonly #samples = new Map<string, number[]>()

  add(measure: string, server: string, ...samples: readonly number[]): void {
    const key = `${measure}\n${server}`
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), ...samples])
  }

  /** `undefined`: not measured. */
  get(measure: string, server: string): Summary | undefined {
    const samples = this.#samples.get(`${measure}\n${server}`)
    return samples && summarize(samples)
  }

  /** All servers of which there is anything. */
  get servers(): ReadonlySet<string> {
    return new Set([...this.#samples.keys()].map(key => key.split('\n')[1]!))
  }
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), least: sorted[0]!, most: sorted.at(-1)! }
}

/** Of samples in order. The median of an even number is between the middle two. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}
