/**
 * How to make an answer, step by step, with the ways to get each step wrong. The check explains a wrong answer by making it:
 * the mistake is the one that makes the program's answers in most cases.
 */

/** One way to do a step. The first way of a step is the right one, and has no words. */
export interface Way<Do> {
  readonly says: string
  readonly do: Do
}

/** The right way, and the wrong ones by their words. A way without words counts as right. */
export const ways = <Do>(right: Do, wrong: Readonly<Record<string, Do>>): readonly Way<Do>[] => [
  { says: '', do: right },
  ...Object.entries(wrong).map(([says, wrong]) => ({ says, do: wrong })),
]

// biome-ignore lint/suspicious/noExplicitAny: each recipe types its own steps.
export type Steps = Readonly<Record<string, readonly Way<any>[]>>
export type Choice<S extends Steps> = { readonly [K in keyof S]: S[K][number]['do'] }
/** The question and the answer. */
export interface Said<Q> {
  readonly question: Q
  readonly got: unknown
}

export interface Recipe<Q> {
  /** The right answer. */
  make: (question: Q) => string
  /** The mistakes, in up to two steps, that make the answer to the first question; the best explanation of all first. */
  explain: (first: Said<Q>, all: readonly Said<Q>[]) => Explanation<Q> | undefined
}

export interface Explanation<Q> {
  readonly says: string
  readonly covers: (said: Said<Q>) => boolean
}

export function recipe<S extends Steps, Q>(steps: S, make: (choice: Choice<S>, question: Q) => string): Recipe<Q> {
  const right = Object.fromEntries(Object.entries(steps).map(([name, ways]) => [name, ways[0]!.do]))
  const singles = Object.entries(steps).flatMap(([name, ways]) => ways.slice(1).map(way => ({ name, way })))
  const attempt = (mistakes: typeof singles, question: Q): string | undefined => {
    const wrong = Object.fromEntries(mistakes.map(({ name, way }) => [name, way.do]))
    try {
      return make({ ...right, ...wrong } as Choice<S>, question)
    } catch {
      return undefined // this way does not work for this question
    }
  }
  return {
    make: question => make(right as Choice<S>, question),
    explain: (first, all) => {
      const fits = (mistakes: typeof singles) => attempt(mistakes, first.question) === first.got
      const one = singles.map(single => [single]).filter(fits)
      const found = one.length > 0 ? one : pairs(singles).filter(fits)
      const ranked = found.map(mistakes => {
        const covers = ({ question, got }: Said<Q>) => attempt(mistakes, question) === got
        return { mistakes, covers, count: all.filter(covers).length }
      })
      const [best] = ranked.sort((a, b) => b.count - a.count)
      return best && { says: best.mistakes.flatMap(({ way }) => way.says || []).join('; and '), covers: best.covers }
    },
  }
}

function pairs<T extends { name: string }>(singles: readonly T[]): T[][] {
  return singles.flatMap((one, at) =>
    singles
      .slice(at + 1)
      .filter(({ name }) => name !== one.name)
      .map(other => [one, other]),
  )
}
