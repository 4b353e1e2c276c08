/** The checks, in the order of the report: each judges what the doctor saw. Pure. */
import * as connection from './connection-checks.ts'
import * as http from './http-checks.ts'
import type { Seen } from './look.ts'
import * as session from './session-checks.ts'
import type { Verdict } from './verdict.ts'

const CHECKS = {
  page: http.page,
  connect: connection.connect,
  upgrade: connection.upgrade,
  origin: connection.origin,
  subprotocol: connection.subprotocol,
  token: session.token,
  welcome: session.welcome,
  subscription: session.subscription,
  ping: session.ping,
  idle: session.idle,
  clock: session.clock,
  sse: http.sse,
  broadcast: http.broadcast,
  position: http.position,
  script: http.script,
  server: http.server,
} as const satisfies Record<string, (seen: Seen) => Verdict | undefined>

export interface Row extends Verdict {
  readonly check: string
}

export const judge = (seen: Seen): Row[] =>
  Object.entries(CHECKS).flatMap(([check, judgement]) => {
    const verdict = judgement(seen)
    return verdict === undefined ? [] : [{ check, ...verdict }]
  })
