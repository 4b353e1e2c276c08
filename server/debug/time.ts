/** Times in words. Pure. */

/** `2026-11-26 21:00:00 UTC, in 59 minutes`; both are Unix time in seconds. */
export function timeAt(seconds: number, now: number): string {
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) return `${seconds}`
  const text = date
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')
  const away = Math.abs(seconds - now)
  const [size, unit] = UNITS.find(([size]) => away >= size) ?? [1, 'second']
  const count = Math.floor(away / size)
  const span = `${count} ${unit}${count === 1 ? '' : 's'}`
  return `${text}, ${seconds > now ? `in ${span}` : `${span} ago`}`
}

const UNITS: readonly (readonly [size: number, unit: string])[] = [
  [86_400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
]
