/**
 * The samples, by measure and server, and the figures that follow from them.
 */

export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
}

type Figure = readonly [server: string, value: number]

export class Figures {
  readonly #samples = new Map<string, number[]>()
  /** Multiples of figures that were measured side by side. */
  readonly #ratios = new Map<string, number[]>()

  add(measure: string, server: string, ...samples: readonly number[]): void {
    const key = `${measure}\n${server}`
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), ...samples])
  }

  /** Adds two figures that were measured side by side. */
  pair(measure: string, one: Figure, other: Figure): void {
    for (const [[server, value], [than, theirs]] of [
      [one, other],
      [other, one],
    ] as const) {
      this.add(measure, server, value)
      const key = `${measure}\n${server}\n${than}`
      this.#ratios.set(key, [...(this.#ratios.get(key) ?? []), value / theirs])
    }
  }

  /**
   * One server's figure as a multiple of another server's, of the same measure or of the measure `of`: the median over turns that
   * were measured side by side, else the multiple of the medians. `undefined`: one of them was not measured.
   */
  ratio(measure: string, server: string, than: string, of = measure): number | undefined {
    const ratios = of === measure ? this.#ratios.get(`${measure}\n${server}\n${than}`) : undefined
    if (ratios !== undefined) return summarize(ratios).median
    const [one, other] = [this.get(measure, server), this.get(of, than)]
    return one && other && one.median / other.median
  }

  /** `undefined`: not measured. */
  get(measure: string, server: string): Summary | undefined {
    const samples = this.#samples.get(`${measure}\n${server}`)
    return samples && summarize(samples)
  }

  /** All servers that have a figure. */
  get servers(): ReadonlySet<string> {
    return new Set([...this.#samples.keys()].map(key => key.split('\n')[1]!))
  }
}

export function summarize(samples: readonly number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b)
  return { median: quantile(sorted, 0.5), least: sorted[0]!, most: sorted.at(-1)! }
}

/** `sorted` is in ascending order. The median of an even number is between the middle two. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}
