/** Findings as text for a terminal. Pure. */
import type { Finding } from './finding.ts'

/** Ends with a line break. */
export function printFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return `${NOTHING}\n`
  return findings.map(finding => `${lines(finding).join('\n')}\n`).join('\n')
}

export const NOTHING =
  'Nothing of the cable is in this text: paste a token, a signed stream name, an identifier, a URL, the HTML of a page, or a code.'

function lines({ kind, facts, faults, parts }: Finding): string[] {
  const width = Math.max(0, ...facts.map(([name]) => name.length))
  return [
    kind,
    ...[
      ...facts.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`),
      ...faults.map(({ code, isDoubtful, fix }) => `${isDoubtful ? '?' : '✗'} ${code}: ${printable(fix)}`),
      ...parts.flatMap(lines),
    ].map(line => `  ${line}`),
  ]
}

/** Without characters that begin a line, or that move a terminal's cursor. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, char =>
    char.replaceAll(/./gs, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  )
