/**
 * Settings that a hosting platform needs. We recognize a platform by the variables that it sets. Pure.
 *
 *   Fly      FLY_APP_NAME
 *   Heroku   PORT, with DYNO or HEROKU_APP_ID (which AnyCable reads; Heroku sets it only for apps that ask for it)
 *
 * A platform's router comes from outside, so the cable listens on all interfaces. It has one port: with a secret, backends
 * broadcast to that of the clients.
 */
import type { Values } from './settings.ts'

export function inferred(env: NodeJS.ProcessEnv): Partial<Values> {
  const isHeroku = env.PORT && (env.DYNO || env.HEROKU_APP_ID)
  return env.FLY_APP_NAME || isHeroku ? { host: '0.0.0.0' } : {}
}
