/** The identity of a session, and whether a lost session is its. */

export interface Identity {
  readonly identity: string
  /** Unix seconds; `undefined`: never. */
  readonly expires: number | undefined
  /** Nobody vouches for it: --noauth. */
  readonly anonymous: boolean
}

type Owner = Pick<Identity, 'identity' | 'anonymous'>

/** Whether a lost session is this caller's. */
export const isTheSame = (who: Owner, lost: Owner): boolean =>
  who.anonymous ? lost.anonymous : !lost.anonymous && lost.identity === who.identity
