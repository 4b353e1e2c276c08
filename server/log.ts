/**
 * The log: one line per event, text for people or JSON for machines.
 *
 *   2026-11-23 06:12:01.123 WRN subscription rejected: … sid=V1StGXR8 code=stream_signature_mismatch
 *
 * No line holds a query string, a token, a secret or a whole signed name: callers log chosen fields, never a whole request
 * or error. Clients and backends choose some of the values, so we cut them and escape line breaks.
 *
 * After a hundred refusals of one code, one passes each second and says how many we left out; warnings and lines at debug do
 * not take each other's place. Metrics count all of them.
 *
 * If the log cannot be written (a full disk, a closed pipe) we drop its lines and go on, and log later how many we dropped.
 */
import type { Writable } from 'node:stream'
import { type Logger, pino } from 'pino'
import { createFloods } from './base/flood.ts'

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/** A log that can name the process in each line. */
export type ProcessLog = Log & { child: (fields: object) => Log }

const LEVELS: Record<number, string> = { 20: 'DBG', 30: 'INF', 40: 'WRN', 50: 'ERR' }

/** UTF-16 units of a message, or of one field. */
const MAX_TEXT = 200
/** UTF-16 units of a stack; enough for a whole one, unless its message is long. */
const MAX_STACK = 4_000
/** UTF-16 units that may wait for a slow log. */
const MAX_WAITING = 1024 * 1024

export function createLog(level: string, format: string, out: Writable = process.stdout): ProcessLog {
  let lost = 0
  const written = (error?: Error | null) => {
    if (error) lost++
    else if (lost > 0 && out.writableLength < MAX_WAITING / 2) {
      const lines = lost
      lost = 0
      log.warn({ lines }, 'log lines were lost: the log could not be written, or not fast enough')
    }
  }
  // (The callback of each write gets the error as well.)
  out.on('error', () => {})
  const write = (line: string) => {
    if (out.writableLength >= MAX_WAITING) lost++
    else out.write(format === 'json' ? line : asText(line), written)
  }
  const floods = createFloods(() => performance.now())
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: {
        logMethod(given, method, level) {
          const [about] = given as [unknown, ...unknown[]]
          const left = level <= WARN && isCoded(about) ? floods.admit(`${level} ${about.code}`) : 0
          if (left === undefined) return
          const [fields, ...rest] = given.map(cut)
          method.apply(this, [left > 0 ? { ...(fields as object), left_out: left } : fields, ...rest] as typeof given)
        },
      },
    },
    { write },
  )
  return log
}

const WARN = 40

/** A refusal. */
const isCoded = (about: unknown): about is { code: string } =>
  typeof about === 'object' && about !== null && 'code' in about && typeof about.code === 'string'

/** Cuts a message, or each of its fields. */
function cut(given: unknown): unknown {
  if (typeof given === 'string') return cutText(given)
  if (typeof given !== 'object' || given === null) return given
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key, typeof value === 'string' ? cutText(value, key) : value]),
  )
}

function cutText(text: string, key?: string): string {
  const longest = key === 'stack' ? MAX_STACK : MAX_TEXT
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

function asText(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line)
  const pairs = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`,
  )
  const text = `${time.replace('T', ' ').replace('Z', '')} ${LEVELS[level]} ${msg.replaceAll(/[\r\n]+/g, ' ')}${pairs.join('')}`
  return `${text.replaceAll(UNPRINTABLE, escaped)}\n`
}

/** Characters that begin a line, move a terminal's cursor, or change the order in which text is shown. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** As JSON escapes it. */
const escaped = (char: string): string =>
  char.replaceAll(/./gs, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
