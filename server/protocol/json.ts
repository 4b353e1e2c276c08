/**
 * JSON as text: its depth, and the text of one member.
 *
 *   {"command":"whisper","data":{"big": 123456789012345678901 }}   ─▶  data: {"big": 123456789012345678901 }
 *
 * Where we can, we pass on the text of a value instead of printing the parsed value. Printing recurses (JSON.parse takes
 * 5,000 nested lists, but JSON.stringify exhausts the stack), and changes numbers (1e400 becomes null). Pure.
 */

/** Levels that a client's JSON may have. More is a mistake or an attack; printing 64 levels is always safe. */
export const MAX_DEPTH = 64

/** Whether lists and objects nest more than {@link MAX_DEPTH} levels deep. The text need not be valid JSON. */
export function isTooDeep(json: string): boolean {
  // (Nearly every text ends here, and the engine counts faster than we do.)
  if (countOf(json, '{') + countOf(json, '[') <= MAX_DEPTH) return false
  let depth = 0
  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === QUOTE) at = endOfString(json, at)
    else if (isOpening(char) && ++depth > MAX_DEPTH) return true
    else if (isClosing(char)) depth--
  }
  return false
}

/**
 * Returns the text of an object's member, or `undefined` if it has no such member. Of repeated members the last counts, as
 * for JSON.parse. `json` must be valid.
 */
export function memberOf(json: string, name: string): string | undefined {
  let found: string | undefined
  let depth = 0
  let key = ''
  let value = 0
  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === QUOTE) {
      const end = endOfString(json, at)
      if (depth === 1) key = json.slice(at, end + 1)
      at = end
    } else if (char === COLON && depth === 1) {
      value = JSON.parse(key) === name ? at + 1 : 0
    } else if (isOpening(char)) depth++
    else if (isClosing(char) || char === COMMA) {
      if (depth === 1 && value > 0) found = json.slice(value, at).trim()
      if (depth === 1) value = 0
      if (char !== COMMA) depth--
    }
  }
  return found
}

/** Returns how often the text holds the character, but stops counting past {@link MAX_DEPTH}. */
function countOf(text: string, char: string): number {
  let count = 0
  for (let at = text.indexOf(char); at >= 0 && count <= MAX_DEPTH; at = text.indexOf(char, at + 1)) count++
  return count
}

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]

/** `[` or `{`: they differ in one bit, as do `]` and `}`. */
const isOpening = (char: number): boolean => (char | 0x20) === 0x7b
const isClosing = (char: number): boolean => (char | 0x20) === 0x7d

/** Returns the index of the quote that closes the string at `from`, or the end of the text if none does. */
export function endOfString(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let escapes = at
    while (json.charCodeAt(escapes - 1) === BACKSLASH) escapes--
    if ((at - escapes) % 2 === 0) return at
  }
  return json.length
}
