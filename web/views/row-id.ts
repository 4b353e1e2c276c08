import { createHash } from 'node:crypto'

/** An id for the element that shows this name, whatever characters the name has. */
export const rowId = (kind: string, name: string): string =>
  `${kind}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
