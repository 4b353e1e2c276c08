/**
 * A position in the history.
 *
 *   "12/aZ3x"    <offset>/<epoch>
 *   "-"          unknown: the page was made while the cable did not answer
 *
 * Pure.
 */
export interface Position {
  readonly offset: number
  readonly epoch: string
}

export const formatPosition = ({ offset, epoch }: Position): string => `${offset}/${epoch}`

/** `unknown` is what a page carries that was made while the cable did not answer; `undefined`: the text is no position. */
export function parsePosition(text: unknown): Position | 'unknown' | undefined {
  if (text === '-') return 'unknown'
  const [, offset, epoch] = typeof text === 'string' ? (/^(\d{1,15})\/([A-Za-z0-9_-]{1,64})$/.exec(text) ?? []) : []
  return offset === undefined || epoch === undefined ? undefined : { offset: Number(offset), epoch }
}
