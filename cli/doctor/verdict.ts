/** The result of one check. */

export type Result = 'ok' | 'warn' | 'FAIL' | 'skipped'

export interface Verdict {
  readonly result: Result
  /** What the doctor saw, on one line. It holds neither tokens nor secrets. */
  readonly saw: string
  /** What to do about it; a line of a configuration is indented. */
  readonly fix: readonly string[]
}

export const ok = (saw: string): Verdict => ({ result: 'ok', saw, fix: [] })
export const warn = (saw: string, ...fix: string[]): Verdict => ({ result: 'warn', saw, fix })
export const fail = (saw: string, ...fix: string[]): Verdict => ({ result: 'FAIL', saw, fix })
export const skipped = (why: string): Verdict => ({ result: 'skipped', saw: `not checked: ${why}`, fix: [] })

/** `12 ms`, `2.5 s`, `5 min`, `12 h` */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`
}

/** The beginning of a text from the network, on one line, without control characters. */
export const oneLine = (text: string): string => {
  const line = text
    .replace(/<[^>]*>/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
  return line.length > 80 ? `${line.slice(0, 80)}…` : line
}

export const quote = (text: string): string => JSON.stringify(oneLine(text))
