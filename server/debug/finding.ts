/**
 * What a pasted text is: its kind, the facts in it, its faults, and the findings inside it.
 *
 *   token                                     kind
 *     identity  {"user":7}                    facts
 *     ✗ token_expired: issue a new token      faults
 *
 * No fact holds a secret, a token or a whole signed name. Plain data: it travels as JSON. Pure.
 */
import { FAULTS, type FaultCode, isDoubtful } from './faults.ts'

export interface Finding {
  readonly kind: string
  readonly facts: Fact[]
  readonly faults: Fault[]
  readonly parts: Finding[]
}

export type Fact = readonly [name: string, value: string]

export interface Fault {
  readonly code: string
  /** Probably, but not surely, a mistake. */
  readonly isDoubtful: boolean
  readonly fix: string
}

export const finding = (kind: string, facts: readonly Fact[] = []): Finding => ({
  kind,
  facts: [...facts],
  faults: [],
  parts: [],
})

/** `detail` says more than the fix that all faults with this code have. */
export function addFault({ faults }: Finding, code: FaultCode, detail?: string): void {
  const fix = detail === undefined ? FAULTS[code] : `${FAULTS[code]} (${detail})`
  faults.push({ code, isDoubtful: isDoubtful(code), fix })
}

/** Whether the finding, or one inside it, has a fault that is surely one. */
export const isWrong = ({ faults, parts }: Finding): boolean =>
  faults.some(({ isDoubtful }) => !isDoubtful) || parts.some(isWrong)

/** Elements of a page, or of a list, that are decoded. */
export const MOST_PARTS = 50
