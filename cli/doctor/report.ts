/** Prints the verdicts: a table for people, or JSON. Pure. */
import type { Row } from './checks.ts'
import type { Seen } from './look.ts'

/**
 *   ok    connect   127.0.0.1:443, TLSv1.3, certificate valid for 80 days
 *   FAIL  upgrade   HTTP 400 instead of 101: "expected a WebSocket"
 *                   nginx, in the location of the cable:
 */
export function table({ cable, options }: Seen, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ check }) => check.length))
  const lines = rows.flatMap(({ check, result, saw, fix }) => [
    `${(result === 'skipped' ? '-' : result).padEnd(4)}  ${check.padEnd(width)}  ${saw}`,
    ...fix.map(line => `${' '.repeat(width + 8)}${line}`),
  ])
  return [`${address(cable)}, for pages of ${options.origin}`, '', ...lines, '', summary(rows), ''].join('\n')
}

/** `{"url", "origin", "ok", "checks": [{"check", "result", "saw", "fix": [line, …]}, …]}` */
export const json = ({ cable, options }: Seen, rows: readonly Row[]): string =>
  `${JSON.stringify({ url: address(cable), origin: options.origin, ok: !rows.some(isFailed), checks: rows }, null, 2)}\n`

export const isFailed = ({ result }: Row): boolean => result === 'FAIL'

/** A query may hold secrets. */
const address = ({ protocol, host, pathname }: URL): string => `${protocol}//${host}${pathname}`

function summary(rows: readonly Row[]): string {
  const named = (result: Row['result']) => rows.filter(row => row.result === result).map(({ check }) => check)
  const parts = [
    [named('FAIL'), 'failed'],
    [named('warn'), 'warned'],
    [named('skipped'), 'not checked'],
  ] as const
  const said = parts
    .filter(([names]) => names.length > 0)
    .map(([names, how]) => `${names.length} ${how} (${names.join(', ')})`)
  return [`${named('ok').length} ok`, ...said].join(', ')
}
