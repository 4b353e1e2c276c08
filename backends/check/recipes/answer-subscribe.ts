/** The answer to a cable that asks whether a client may listen to a stream. */
import { createHmac } from 'node:crypto'
import { type Choice, recipe, type Steps, ways } from './recipe.ts'

interface Ask {
  authorization: string
  body: string
  allow: boolean | number
  key?: string
  secret: string
  now: number
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const ANSWER = {
  message: ways('subscribe-cable', {
    'the message of the key is broadcast-cable: use subscribe-cable': 'broadcast-cable',
    'the message of the key is subscribe_cable: use subscribe-cable': 'subscribe_cable',
  }),
  isRight: ways((given: string, key: string) => given === `Bearer ${key}`, {
    'any key is taken: compare Authorization with Bearer and the key': () => true,
    'the key is taken without Bearer': (given, key) => given.replace(/^Bearer /, '') === key,
    'a key in upper case is taken': (given, key) => given.toLowerCase() === `bearer ${key}`,
    'spaces around the key are taken': (given, key) => given.trim() === `Bearer ${key}`,
  }),
  keyOf: ways((key: string | undefined, derived: string) => key || derived, {
    'the argument key is ignored': (_, derived) => derived,
  }),
  identityOf: ways((text: string): unknown => (isObject(parsed(text)) ? parsed(text) : text), {
    'the identity is text: decode it if it is an object in JSON': text => text,
    'an identity that is no object is decoded: leave it as text': text => parsed(text) ?? text,
  }),
  answer: ways(
    (allow: boolean | number, now: number): object => {
      if (typeof allow === 'boolean') return { allowed: allow }
      return allow > now ? { allowed: true, until: allow } : { allowed: false }
    },
    {
      'a time that has passed is allowed: it is a refusal': allow =>
        typeof allow === 'boolean' ? { allowed: allow } : { allowed: true, until: allow },
      'a time is answered as true: add until': allow => ({ allowed: Boolean(allow) }),
      'until is in milliseconds: use seconds': (allow, now) =>
        typeof allow === 'number' && allow > now ? { allowed: true, until: allow * 1000 } : { allowed: allow === true },
    },
  ),
  malformed: ways(422, { 'a body that is no question is answered with 400: use 422': 400 }),
  unauthorized: ways(401, { 'a wrong key is answered with 403: use 401': 403 }),
} satisfies Steps

function answer(how: Choice<typeof ANSWER>, { authorization, body, allow, key, secret, now }: Ask): string {
  const derived = createHmac('sha256', secret).update(how.message).digest('hex')
  if (!how.isRight(authorization, how.keyOf(key, derived))) return `${how.unauthorized} {"error":"unauthorized"}`
  const asked = parsed(body)
  const { identity, stream, headers = {} } = isObject(asked) ? asked : {}
  if (typeof identity !== 'string' || typeof stream !== 'string') return `${how.malformed} {"error":"malformed"}`
  const seen = [how.identityOf(identity), stream, headers]
  return `200 ${JSON.stringify(how.answer(allow, now))} ${JSON.stringify(seen)}`
}

export const answerSubscribe = recipe(ANSWER, answer)
