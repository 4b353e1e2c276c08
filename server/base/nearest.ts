/** Returns the name with the fewest letters changed, at most `most`; `undefined` if no name is that near. Pure. */
export function nearest(name: string, names: readonly string[], most = fewLetters): string | undefined {
  const [best] = names
    .filter(candidate => Math.abs(candidate.length - name.length) <= most(candidate))
    .map(candidate => ({ candidate, letters: distance(name, candidate) }))
    .filter(({ candidate, letters }) => letters <= most(candidate))
    .sort((one, other) => one.letters - other.letters)
  return best?.candidate
}

const fewLetters = (name: string): number => (name.length < 9 ? 2 : 3)

/** Returns how many letters to add, remove or replace (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1]
    for (const [at, other] of [...to].entries())
      next.push(Math.min(row[at]! + (letter === other ? 0 : 1), row[at + 1]! + 1, next[at]! + 1))
    row = next
  }
  return row.at(-1)!
}
