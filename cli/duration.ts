/** A length of time in a command line: `90`, `90s`, `15m`, `12h`, `7d`. Pure. */

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** Returns seconds, at least 1; `undefined` for any other text. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^([1-9]\d{0,8})([smhd]?)$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * SECONDS[unit!]!
}
