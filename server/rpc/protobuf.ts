/**
 * Messages as bytes, by Protocol Buffers: the few kinds of fields that rpc.proto has.
 *
 *   field  =  number << 3 | wire type, then a varint (0), or a length and its bytes (2)
 *
 * A library would be larger than the transport. Pure.
 */
import { isUtf8 } from 'node:buffer'

export type Fields = Readonly<Record<string, readonly [number: number, kind: Kind]>>
/** `map`: text → text. `{ maybe }`: a message that may be absent; an absent message of the other kind is empty. */
export type Kind = 'string' | 'strings' | 'map' | 'bool' | 'number' | { readonly fields: Fields; readonly maybe?: true }

type Message = Readonly<Record<string, unknown>>

/** Of a key and value in a map. */
const ENTRY: Fields = { key: [1, 'string'], value: [2, 'string'] }

/** `message` has every field of `fields`. */
export function encode(fields: Fields, message: object): Buffer {
  const parts: Uint8Array[] = []
  for (const [name, [number, kind]] of Object.entries(fields)) write(parts, number, kind, (message as Message)[name])
  return Buffer.concat(parts)
}

/** Throws an Error unless `bytes` are such a message. Skips fields that are not in `fields`. */
export function decode(fields: Fields, bytes: Buffer): Record<string, unknown> {
  const found = new Map<number, (number | Buffer)[]>(Object.values(fields).map(([number]) => [number, []]))
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) break
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw new Error('a number is cut short, or too long')
  }
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new Error('a field is cut short')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = varint()
    const [number, wire] = [Math.floor(tag / 8), tag % 8]
    const value = wire === 0 ? varint() : take(wire === 2 ? varint() : sizeOf(wire))
    found.get(number)?.push(value)
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, [number, kind]]) => [name, result(kind, found.get(number)!)]),
  )
}

function write(parts: Uint8Array[], number: number, kind: Kind, value: unknown): void {
  if (kind === 'strings') for (const text of value as string[]) writeBytes(parts, number, Buffer.from(text))
  else if (kind === 'map')
    for (const [key, text] of Object.entries(value as object))
      writeBytes(parts, number, encode(ENTRY, { key, value: text }))
  else if (kind === 'string') value !== '' && writeBytes(parts, number, Buffer.from(value as string))
  else if (typeof kind === 'object')
    value !== undefined && writeBytes(parts, number, encode(kind.fields, value as object))
  else if (Number(value) !== 0) parts.push(varintOf(number * 8), varintOf(Number(value)))
}

function writeBytes(parts: Uint8Array[], number: number, bytes: Buffer): void {
  parts.push(varintOf(number * 8 + 2), varintOf(bytes.length), bytes)
}

function varintOf(value: number): Uint8Array {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Uint8Array.from([...bytes, value])
}

/** The bytes of the wire types 1 and 5. */
function sizeOf(wire: number): number {
  if (wire === 1) return 8
  if (wire === 5) return 4
  throw new Error(`no field has the wire type ${wire}`)
}

/** Of a field that comes twice, the last counts. (No encoder writes a message in two parts, which would be merged.) */
function result(kind: Kind, found: readonly (number | Buffer)[]): unknown {
  if (kind === 'strings') return found.map(textOf)
  if (kind === 'map')
    return Object.fromEntries(
      found.map(bytes => {
        const { key, value } = decode(ENTRY, bytesOf(bytes))
        return [key, value]
      }),
    )
  const last = found.at(-1)
  if (kind === 'string') return last === undefined ? '' : textOf(last)
  if (kind === 'bool') return last !== undefined && numberOf(last) !== 0
  if (kind === 'number') return last === undefined ? 0 : numberOf(last)
  if (last === undefined && kind.maybe) return undefined
  return decode(kind.fields, last === undefined ? Buffer.alloc(0) : bytesOf(last))
}

function textOf(value: number | Buffer): string {
  const bytes = bytesOf(value)
  if (!isUtf8(bytes)) throw new Error('a text is not UTF-8')
  return bytes.toString()
}

function bytesOf(value: number | Buffer): Buffer {
  if (typeof value === 'number') throw new Error('a number is where bytes should be')
  return value
}

function numberOf(value: number | Buffer): number {
  if (typeof value !== 'number') throw new Error('bytes are where a number should be')
  return value
}
