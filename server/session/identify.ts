/**
 * A client's identity: that of its token, or what the app answers.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { tokenVerifier, type Verified } from '../auth/identity.ts'
import { type PublicTokens, publicTokenVerifier } from '../auth/jwks.ts'
import type { Soon } from '../base/soon.ts'
import { SessionRefused } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { readToken } from '../protocol/negotiate.ts'
import type { AppClient } from '../rpc/app-client.ts'
import type { ClientRequest } from '../rpc/client-request.ts'
import type { Arrivals } from './arrivals.ts'
import type { Identity } from './identity.ts'

/** A client before we know its identity. */
export interface Caller {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined
}

/** A caller that may have a session. */
export interface Admitted extends Identity {
  readonly sid: string
  readonly request: ClientRequest | undefined
  readonly app?: AppClient | undefined
  readonly transmissions?: readonly string[]
}

export interface Arriving {
  readonly sid: string
  readonly request: ClientRequest | undefined
  /** Aborted when the answer has no use any more. */
  readonly signal: AbortSignal
}

/** Asks the app for the identity of a caller without a token. Throws or rejects with {@link SessionRefused}. */
export type Connect = (arriving: Arriving) => Soon<Omit<Admitted, 'sid' | 'request'>>

export interface IdentifySettings {
  readonly jwtSecrets: readonly string[]
  /** `undefined`: only the secrets verify tokens. */
  readonly publicTokens: PublicTokens | undefined
  readonly jwtParam: string
  readonly enforceJwt: boolean
  readonly noauth: boolean
}

export interface IdentifyParts {
  arrivals: Arrivals
  /** `undefined`: the cable asks no app. */
  connect: Connect | undefined
  /** Takes a caller that the app admitted, and that gets no session. */
  abandon: (admitted: Admitted) => void
  /** Returns what a session keeps of its request; `undefined`: nothing. */
  requestOf: ((caller: Caller) => ClientRequest) | undefined
  metrics: Metrics
  monotonic: () => number
  wall: () => number
  log: Log
}

/** Throws or rejects with {@link SessionRefused}. `signal` is aborted when the answer has no use any more. */
export type Identify = (caller: Caller, sid: string, signal: AbortSignal | undefined) => Soon<Admitted>

export function createIdentify(config: IdentifySettings, parts: IdentifyParts): Identify {
  const { jwtSecrets, publicTokens, jwtParam, enforceJwt, noauth } = config
  const { arrivals, connect, abandon, requestOf, metrics, monotonic, wall, log } = parts
  const verify: (token: string, nowSeconds: number) => Soon<Verified> =
    publicTokens === undefined ? tokenVerifier(jwtSecrets) : publicTokenVerifier(publicTokens, { monotonic, log })
  const readsTokens = publicTokens !== undefined || jwtSecrets.length > 0

  function proven({ identity, expires, key }: Verified, sid: string, request: Admitted['request']): Admitted {
    metrics.verified('jwt', key)
    return { sid, identity, expires, anonymous: false, request }
  }

  async function late(answer: Promise<Admitted>): Promise<Admitted> {
    const admitted = await answer
    try {
      arrivals.identify(admitted.sid, admitted.identity)
    } catch (error) {
      abandon(admitted)
      throw error
    }
    return admitted
  }

  return (caller, sid, signal) => {
    const token = readToken(caller.url, caller.headers, jwtParam)
    const request = requestOf?.(caller)
    // Refuse a bad token even if the cable needs none: a client that sends a token wants that identity.
    if (token !== '' && readsTokens) {
      const verified = verify(token, Math.floor(wall() / 1000))
      if (!(verified instanceof Promise)) return proven(verified, sid, request)
      return late(verified.then(found => proven(found, sid, request)))
    }
    if (!enforceJwt) {
      if (noauth) return { sid, identity: JSON.stringify({ sid }), expires: undefined, anonymous: true, request }
      if (connect !== undefined && signal !== undefined) {
        const answer = connect({ sid, request, signal })
        if (!(answer instanceof Promise)) return { ...answer, sid, request }
        return late(answer.then(found => ({ ...found, sid, request })))
      }
    }
    throw new SessionRefused(readsTokens ? 'token_missing' : 'nobody_can_connect')
  }
}
