/** The type of the answer to a form: of streams if the request's Accept has it, else none. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'

const TYPE = 'text/vnd.turbo-stream.html'

const WANTS = {
  typesIn: ways((accept: string) => accept.split(',').map(type => type.split(';')[0]!.trim()), {
    'parameters count: leave out what follows ;': accept => accept.split(',').map(type => type.trim()),
    'spaces around a type count: trim it': accept => accept.split(',').map(type => type.split(';')[0]!),
    'only the first type counts: each of them may be it': accept => [accept.split(/[,;]/)[0]!.trim()],
    'the header as a whole is compared: commas separate its types': accept => [accept],
  }),
  alike: ways((type: string) => type.toLowerCase() === TYPE, {
    'capitals count: a type is the same in any case': type => type === TYPE,
    'a type that contains it counts: it is the whole type': type => type.toLowerCase().includes(TYPE),
    'a type that begins like it counts: it is the whole type': type => type.toLowerCase().startsWith(TYPE),
    '*/* counts: browsers send it with everything': type => [TYPE, '*/*'].includes(type.toLowerCase()),
  }),
  answer: ways(`${TYPE}; charset=utf-8`, { 'TURBO_STREAM has no charset: add ; charset=utf-8': TYPE }),
} satisfies Steps

const type = (how: Choice<typeof WANTS>, { accept }: { accept: string }): string =>
  how.typesIn(accept).some(how.alike) ? how.answer : ''

export const wantsTurboStream = recipe(WANTS, type)
