/**
 * Loads the authority of a cable that has one: others should not start more slowly.
 */
import type { AppSettings } from './ask-app.ts'
import type { Authority, AuthorityParts } from './authority.ts'
import type { Asking, ClientRequest, RequestSettings } from './client-request.ts'

export interface AuthoritySettings extends AppSettings, RequestSettings {}

export interface LoadedAuthority extends Authority {
  /** Returns what its questions may tell the app of a client's request. */
  requestOf: (asking: Asking) => ClientRequest
}

export async function loadAuthority(
  settings: AuthoritySettings,
  parts: Omit<AuthorityParts, 'askApp'>,
): Promise<LoadedAuthority> {
  const [{ createAuthority }, { createAskApp }, { createRequestReader }] = await Promise.all([
    import('./authority.ts'),
    import('./ask-app.ts'),
    import('./client-request.ts'),
  ])
  const authority = createAuthority({ ...parts, askApp: createAskApp(settings, parts.wall) })
  return Object.assign(authority, { requestOf: createRequestReader(settings) })
}
