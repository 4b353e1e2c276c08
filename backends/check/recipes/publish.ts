/** The body of a request with several publications. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'

const PUBLISH = {
  list: ways((publications: readonly string[]) => `[${publications.join(',')}]`, {
    'one publication is sent without a list: put [ ] around it too': publications =>
      publications.length === 1 ? publications[0]! : `[${publications.join(',')}]`,
    'the list has strings: a publication is JSON already': publications => JSON.stringify(publications),
    'publications are parsed and written again: insert their text as it is': publications =>
      JSON.stringify(publications.map(text => JSON.parse(text))),
    'there are spaces after the commas': publications => `[${publications.join(', ')}]`,
  }),
} satisfies Steps

const body = (how: Choice<typeof PUBLISH>, { publications }: { publications: readonly string[] }): string =>
  how.list(publications)

export const publish = recipe(PUBLISH, body)
