/** The key for broadcasts. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { HEX, KEYS, MACS } from './signing.ts'

const BROADCAST_KEY = {
  message: ways('broadcast-cable', {
    'the message is broadcast_cable: use broadcast-cable': 'broadcast_cable',
    'the message is broadcast: use broadcast-cable': 'broadcast',
    'the message is cable-broadcast: use broadcast-cable': 'cable-broadcast',
    'the message is Broadcast-Cable: use broadcast-cable': 'Broadcast-Cable',
    'the message is empty: use broadcast-cable': '',
    'the message has a newline at its end': 'broadcast-cable\n',
    'the message is "broadcast-cable" with its quotes': '"broadcast-cable"',
  }),
  key: KEYS.filter(({ says }) => !says.includes('broadcast key')),
  mac: MACS,
  digest: HEX,
  written: ways((digest: string, _question: { secret: string }) => digest, {
    'that is the secret itself: the key is derived from it': (_, { secret }) => secret,
    'there is Bearer before the key: it is the key alone': digest => `Bearer ${digest}`,
  }),
} satisfies Steps

function key(how: Choice<typeof BROADCAST_KEY>, question: { secret: string }): string {
  return how.written(how.digest(how.mac(how.key(question.secret), Buffer.from(how.message))), question)
}

export const broadcastKey = recipe(BROADCAST_KEY, key)
