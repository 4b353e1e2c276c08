/** The body of a request that ends the connections of an identity. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { SPELLINGS } from './spelling.ts'

interface Disconnect {
  identity: object
  reconnect: boolean
}

const DISCONNECT = {
  json: SPELLINGS,
  identifier: ways((text: string, _: object): unknown => text, {
    'the identifier is an object: use the JSON of the identity, as a string': (_, identity) => identity,
  }),
  reconnect: ways((reconnect: boolean): object => ({ reconnect }), {
    'reconnect is ignored': () => ({ reconnect: true }),
    'reconnect is left out: write true or false': () => ({}),
    'reconnect is left out when it is true: write it': reconnect => (reconnect ? {} : { reconnect }),
  }),
} satisfies Steps

function body(how: Choice<typeof DISCONNECT>, { identity, reconnect }: Disconnect): string {
  const identifier = how.identifier(how.json(identity), identity)
  return how.json({ command: 'disconnect', payload: { identifier, ...how.reconnect(reconnect) } })
}

export const disconnect = recipe(DISCONNECT, body)
