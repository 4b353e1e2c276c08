/**
 * The log: one line per event, text for people or JSON for machines.
 *
 *   2026-11-23 06:12:01.123 WRN subscription rejected: … sid=V1StGXR8 code=stream_signature_mismatch
 *
 * No line holds a query string, a token, a secret or a whole signed name: what is logged is chosen field by field, never
 * a whole request or error.
 */
import { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

const LEVELS: Record<number, string> = { 20: 'DBG', 30: 'INF', 40: 'WRN', 50: 'ERR' }

export function createLog(level: string, format: string, out: NodeJS.WritableStream = process.stdout): Log {
  const destination =
    format === 'json'
      ? out
      : new Writable({ decodeStrings: false, write: (line, _, done) => out.write(asText(line), () => done()) })
  return pino({ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, destination)
}

function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const pairs = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`,
  )
  return `${time.replace('T', ' ').replace('Z', '')} ${LEVELS[level]} ${msg.replaceAll(/[\r\n]+/g, ' ')}${pairs.join('')}\n`
}
