/**
 * A position in the history.
 *
 *   "12/aZ3x"           <offset>/<epoch>
 *   "12/aZ3x-k3Jd9f"    <offset>/<epoch>-<nonce>: a page's
 *   "-"                 unknown: the page was made while the cable did not answer
 *
 * Each page has a nonce, so that its element differs from that of the page before, even if nothing was broadcast in between:
 * else a morph keeps the old element, and a message that arrives during a refresh is lost with the old page. Only positions
 * of pages have one. A position that is too early is safe: the page gets a message twice. Pure.
 */
export interface Position {
  readonly offset: number
  readonly epoch: string
  readonly nonce?: string
}

export const formatPosition = ({ offset, epoch, nonce }: Position): string =>
  nonce === undefined ? `${offset}/${epoch}` : `${offset}/${epoch}-${nonce}`

/** Returns `unknown` for "-", and `undefined` for a text that is not a position. The nonce follows the last "-". */
export function parsePosition(text: unknown): Position | 'unknown' | undefined {
  if (text === '-') return 'unknown'
  const parts = typeof text === 'string' ? POSITION.exec(text) : null
  if (parts === null) return undefined
  const [offset, epoch, nonce] = [Number(parts[1]), parts[2]!, parts[3]]
  return nonce === undefined ? { offset, epoch } : { offset, epoch, nonce }
}

/** (Epochs of cables that knew no nonces may hold "-". Those cables are gone, so any reading of their epochs gives a gap.) */
const POSITION = /^(\d{1,15})\/([A-Za-z0-9_-]{1,64}?)(?:-([A-Za-z0-9_]{1,64}))?$/
