/** The tag that subscribes a page. */
import { MARKUP, openTag, type Pairs } from './markup.ts'
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { type Names, SIGNING, sign } from './sign-stream.ts'

interface Tags extends Names {
  position: string
}

const ELEMENT = {
  ...SIGNING,
  ...MARKUP,
  digits: ways((signed: string) => signed.slice(signed.lastIndexOf('--') + 2).slice(0, 8), {
    '': signed => signed.slice(-64, -56), // the same, but for a digest of another length
    'the digits of the id are the last of the signature: use the first 8': signed => signed.slice(-8),
    'the digits of the id are the first of the base64: use the first 8 of the signature': signed => signed.slice(0, 8),
    'the id has 7 digits of the signature: use 8': signed => signed.slice(-64, -57),
    'the id has 16 digits of the signature: use 8': signed => signed.slice(-64, -48),
    'the id has all digits of the signature: use 8': signed => signed.slice(-64),
  }),
  id: ways((digits: string, position: string): string | null => `cable-${digits}-${position.replaceAll('/', '-')}`, {
    'the id has / in it: use - for every /': (digits, position) => `cable-${digits}-${position}`,
    'the id has - only for the first /: use - for every /': (digits, position) =>
      `cable-${digits}-${position.replace('/', '-')}`,
    'the id is without the position': digits => `cable-${digits}`,
    'the id is without cable- before it': (digits, position) => `${digits}-${position.replaceAll('/', '-')}`,
    'the id is without the digits of the signature': (_, position) => `cable-${position.replaceAll('/', '-')}`,
    'the id is missing': () => null,
  }),
  attributes: ways((id: string | null, position: string, signed: string): Pairs => elementPairs(id, position, signed), {
    'data-position is missing': (id, position, signed) => without('data-position', elementPairs(id, position, signed)),
    'data-position is missing when it is -': (id, position, signed) =>
      position === '-'
        ? without('data-position', elementPairs(id, position, signed))
        : elementPairs(id, position, signed),
    'channel is missing': (id, position, signed) => without('channel', elementPairs(id, position, signed)),
    'the attribute is position: use data-position': (id, position, signed) =>
      elementPairs(id, position, signed).map(([name, value]) => [name.replace('data-', ''), value] as const),
    'the attributes are in another order: id, data-position, channel, signed-stream-name': (id, position, signed) => {
      const [one, two, three, four] = elementPairs(id, position, signed)
      return [one!, three!, four!, two!]
    },
    'the attributes are sorted: id, data-position, channel, signed-stream-name': (id, position, signed) =>
      elementPairs(id, position, signed).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    'channel and signed-stream-name come first: id, data-position, channel, signed-stream-name': (
      id,
      position,
      signed,
    ) => {
      const [one, two, three, four] = elementPairs(id, position, signed)
      return [three!, four!, one!, two!]
    },
  }),
  element: ways('turbo-cable-stream-source', {
    'the tag is turbo-stream-source: use turbo-cable-stream-source': 'turbo-stream-source',
  }),
  closed: ways((open: string, name: string) => `${open}</${name}>`, {
    'the tag closes itself: HTML needs </turbo-cable-stream-source>': open => open.replace(/>$/, '/>'),
    'the tag closes itself, after a space: HTML needs </turbo-cable-stream-source>': open => open.replace(/>$/, ' />'),
    'the tag is not closed': open => open,
  }),
} satisfies Steps

const elementPairs = (id: string | null, position: string, signed: string): Pairs => [
  ['id', id],
  ['data-position', position],
  ['channel', 'Turbo::StreamsChannel'],
  ['signed-stream-name', signed],
]
const without = (name: string, pairs: Pairs): Pairs => pairs.filter(([key]) => key !== name)

function element(how: Choice<typeof ELEMENT>, question: Tags): string {
  const signed = sign(how, question)
  const id = how.id(how.digits(signed), question.position)
  return how.closed(openTag(how, how.element, how.attributes(id, question.position, signed)), how.element)
}

export const streamFrom = recipe(ELEMENT, element)
