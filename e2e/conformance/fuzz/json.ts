/**
 * JSON that JavaScript does not print as it was: numbers that no double holds, and lists that are deep.
 */
import type { Frame } from '../../../testing/client.ts'

export class Text {
  readonly json: string
  /** How many lists and objects are in one another. */
  readonly depth: number

  constructor(json: string, depth = 0) {
    this.json = json
    this.depth = depth
  }
}

export const nested = (depth: number): Text => new Text('['.repeat(depth) + ']'.repeat(depth), depth)

/** A string of so many bytes, its quotes included. */
export const long = (bytes: number): Text => new Text(`"${'x'.repeat(bytes - 2)}"`)

/** Levels that what a client sends may have. */
const DEEPEST = 64

export const isTooDeep = (value: unknown): boolean => depthOf(value) > DEEPEST

function depthOf(value: unknown): number {
  if (value instanceof Text) return value.depth
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

/** As JSON.stringify, each {@link Text} as it stands. */
export function print(value: unknown): string {
  if (value instanceof Text) return value.json
  if (Array.isArray(value)) return `[${value.map(print).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${print(member)}`).join()}}`
}

const HEAD = /^\{(?:"type":"[^"]*",)?"identifier":"(?:[^"\\]|\\.)*","message":/
const TAIL = /(?:,"stream_id":"(?:[^"\\]|\\.)*","epoch":"[^"]*","offset":\d+)?\}$/

/** A frame, its message as the text that it is. */
export function parseFrame(text: string): Frame {
  const [head] = HEAD.exec(text) ?? []
  if (head === undefined) return JSON.parse(text)
  const { 0: tail, index } = TAIL.exec(text)!
  return { ...JSON.parse(`${head}0${tail}`), message: text.slice(head.length, index) }
}
