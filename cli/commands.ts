/** The commands of `hotcable`, in the order of its help. Each is loaded only when it runs. */
import type { Command } from './io.ts'

interface Row {
  readonly summary: string
  readonly load: () => Promise<Command>
}

export const COMMANDS: Readonly<Record<string, Row>> = {
  cable: { summary: 'run the cable', load: () => import('./cable.ts') },
  health: { summary: 'ask whether the cable is alive', load: () => import('./health.ts') },
  secret: { summary: 'print a new secret: hotcable secret >> .env', load: () => import('./secret.ts') },
  key: { summary: 'print a key that derives from the secret', load: () => import('./key.ts') },
  helper: {
    summary: 'print the helper for your language, or save the scripts of pages',
    load: () => import('./helper.ts'),
  },
  token: { summary: 'print a token for a client', load: () => import('./token.ts') },
  name: { summary: 'print a signed stream name, or the element with it', load: () => import('./name.ts') },
  outbox: { summary: 'print or make the table of an outbox', load: () => import('./outbox.ts') },
  debug: { summary: 'say what is wrong with a token, a name, a URL or a page', load: () => import('./debug.ts') },
  doctor: { summary: 'examine a cable from outside, and name what is wrong', load: () => import('./doctor.ts') },
}
