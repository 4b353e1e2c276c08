/**
 * Loads the authority for a cable that has one: others should not start more slowly.
 */
import type { AppSettings } from './ask-app.ts'
import type { Authority, AuthorityParts } from './authority.ts'

export function loadAuthority(app: AppSettings, parts: Omit<AuthorityParts, 'askApp'>): Authority {
  let loaded: Authority | undefined
  const loading = Promise.all([import('./authority.ts'), import('./ask-app.ts')])
  const ready = loading.then(([{ createAuthority }, { createAskApp }]) => {
    loaded = createAuthority({ ...parts, askApp: createAskApp(app, parts.wall) })
    return loaded
  })
  return {
    permit: question => loaded?.permit(question) ?? ready.then(authority => authority.permit(question)),
    forget: identity => loaded?.forget(identity),
    expire: () => loaded?.expire(),
    stop: () => loaded?.stop(),
    get pending() {
      return loaded?.pending ?? 0
    },
  }
}
