/** The identity of a session, and its right to a lost session. */

export interface Identity {
  readonly identity: string
  /** Unix seconds; `undefined`: never. */
  readonly expires: number | undefined
  /** No token proves it: --noauth. */
  readonly anonymous: boolean
}

export type Owner = Pick<Identity, 'identity' | 'anonymous'>

/** Whether a lost session is this caller's. */
export const isTheSame = (caller: Owner, lost: Owner): boolean =>
  caller.anonymous ? lost.anonymous : !lost.anonymous && lost.identity === caller.identity
