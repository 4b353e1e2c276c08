/**
 * JSON as text: how deep it is, and the text of one of its members.
 *
 *   {"command":"whisper","data":{"big": 123456789012345678901 }}   ─▶  data: {"big": 123456789012345678901 }
 *
 * Where the text of a value will do, we pass it on instead of printing the parsed value. Printing recurses (5,000 nested
 * lists exhaust the stack, although they could be parsed), and changes numbers (1e400 becomes null). Pure.
 */

/** As deep as what a client sends may be. More is a mistake or an attack; printing 64 levels is always safe. */
export const MAX_DEPTH = 64

/** Whether lists and objects are in one another more than {@link MAX_DEPTH} deep. The text need not be valid JSON. */
export function isTooDeep(json: string): boolean {
  if (json.length <= MAX_DEPTH) return false
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
 * The text of an object's member; of one that comes twice the last, as JSON.parse takes it. `json` must be valid, and
 * `undefined` means that there is no such member.
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

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]

/** `[` or `{`: they differ in one bit, as do `]` and `}`. */
const isOpening = (char: number): boolean => (char | 0x20) === 0x7b
const isClosing = (char: number): boolean => (char | 0x20) === 0x7d

/** Where the string that begins at `from` ends: its closing quote, or the end of a text that has none. */
export function endOfString(json: string, from: number): number {
  for (let at = json.indexOf('"', from + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let escapes = at
    while (json.charCodeAt(escapes - 1) === BACKSLASH) escapes--
    if ((at - escapes) % 2 === 0) return at
  }
  return json.length
}
