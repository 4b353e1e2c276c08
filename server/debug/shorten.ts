/** UTF-16 units of a fact. */
const LONGEST = 500

export const shorten = (text: string, most = LONGEST): string => (text.length > most ? `${text.slice(0, most)}…` : text)

/** A value of JSON as a fact. (`String` runs a `toString` that the value may have, and JSON.stringify fails on deep values.) */
export function show(value: unknown): string {
  if (typeof value === 'string') return shorten(value)
  try {
    return shorten(JSON.stringify(value) ?? '')
  } catch {
    return '…'
  }
}
