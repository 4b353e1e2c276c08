/** The bodies of a broadcast, one a line for each try. ID stands for the random id. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { SPELLINGS } from './spelling.ts'

/** Stands for an id; says what the cable found about it. */
export const IDS = {
  good: 'ID',
  malformed: 'ID of another form',
  repeated: 'ID of an earlier call',
  changed: 'another ID',
} as const

interface Broadcast {
  stream: string
  html: string
  exclude?: string
  transient?: boolean
  latest?: string
  retries?: number
}

const BROADCAST = {
  json: SPELLINGS,
  id: ways(IDS.good as string | undefined, {
    'your broadcasts have no id: add "meta":{"id":"…"}, 16 random bytes in base64url': undefined,
    'your id is not 16 random bytes in base64url without padding: 22 characters': IDS.malformed,
    'two calls have the same id: make a new one in each call': IDS.repeated,
  }),
  exclude: ways((exclude: string | undefined): object => (exclude ? { exclude_socket: exclude } : {}), {
    'exclude is ignored: it is exclude_socket in meta': () => ({}),
    'an absent exclude is written as null: leave it out': exclude => ({ exclude_socket: exclude ?? null }),
    'exclude is written as exclude: its name in meta is exclude_socket': exclude => (exclude ? { exclude } : {}),
  }),
  transient: ways((transient: boolean | undefined): object => (transient ? { transient } : {}), {
    'transient is ignored: it is in meta': () => ({}),
    'transient is written when it is false: leave it out': transient => ({ transient: transient ?? false }),
  }),
  latest: ways((latest: string | undefined): object => (latest ? { key: latest } : {}), {
    'latest is ignored: it is key in meta': () => ({}),
    'latest is written as latest: its name in meta is key': latest => (latest ? { latest } : {}),
  }),
  retried: ways((id: string | undefined) => id, {
    'a retry has another id: make it once in each call, and send it in every try': () => IDS.changed,
  }),
} satisfies Steps

function bodies(
  how: Choice<typeof BROADCAST>,
  { stream, html, exclude, transient, latest, retries = 0 }: Broadcast,
): string {
  const ids = [how.id, ...Array.from({ length: retries }, () => how.retried(how.id))]
  const more = { ...how.exclude(exclude), ...how.transient(transient), ...how.latest(latest) }
  const meta = (id: string | undefined) =>
    id || Object.keys(more).length > 0 ? { meta: { ...(id && { id }), ...more } } : {}
  return ids.map(id => how.json({ stream, data: how.json(html), ...meta(id) })).join('\n')
}

export const broadcast = recipe(BROADCAST, bodies)
