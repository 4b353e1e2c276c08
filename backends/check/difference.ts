/** Two texts and the place where they differ, for a mistake that the check does not know. */

/** How many characters of each text are shown before the difference, and in all. */
const BEFORE = 30
const SHOWN = 76

/** Three lines: the expected text, the given text, and a caret below the first character that differs. */
export function difference(expected: string, got: string): string[] {
  const [right, wrong] = [printed(expected), printed(got)]
  let at = 0
  while (at < right.length && right[at] === wrong[at]) at++
  const from = right.length <= SHOWN && wrong.length <= SHOWN ? 0 : Math.max(0, at - BEFORE)
  const caret = `${' '.repeat('expected  '.length + (from > 0 ? 1 : 0) + at - from)}^`
  return [`expected  ${part(right, from)}`, `got       ${part(wrong, from)}`, caret]
}

/** Says which part of an answer differs first. */
export function localise(kind: string, expected: string, got: string): string {
  const { split, names, text } = PARTS[kind]!
  const [right, wrong] = [split ? expected.split(split) : [expected], split ? got.split(split) : [got]]
  if (right.length !== wrong.length) return `it has ${count(wrong.length)}, and should have ${right.length}`
  const at = right.findIndex((part, index) => part !== wrong[index])
  const [is, should] = [decoded(wrong[at]!), decoded(right[at]!)]
  const holds = at < text && is !== undefined && is !== should
  return holds
    ? `${names[at]} holds ${clip(is)}, and should hold ${clip(should!)}`
    : `${names[at]} is not the right one`
}

interface Parts {
  split?: RegExp
  names: string[]
  /** How many of the parts are base64 of text. */
  text: number
}

const PARTS: Record<string, Parts> = {
  sign_stream: {
    split: /--(?=[^-]*$)/,
    names: ['the base64', 'the base64 is right, but the digest (HMAC-SHA256 of it, in lower-case hex)'],
    text: 1,
  },
  issue_token: {
    split: /\./,
    names: [
      'the header',
      'the payload',
      'header and payload are right, but the signature (HMAC-SHA256 of both, in base64url)',
    ],
    text: 2,
  },
  stream_from: { names: ['the tag'], text: 0 },
  source_tag: { names: ['the tag'], text: 0 },
  script_tag: { names: ['the tag'], text: 0 },
  turbo_stream: { names: ['the tag'], text: 0 },
  wants_turbo_stream: { names: ['the type of the answer'], text: 0 },
  position: { names: ['the position'], text: 0 },
  publication: { names: ['the text'], text: 0 },
  broadcast: { names: ['the body'], text: 0 },
  publish: { names: ['the body'], text: 0 },
  disconnect: { names: ['the body'], text: 0 },
  broadcast_key: { names: ['the key (HMAC-SHA256 of broadcast-cable, in lower-case hex)'], text: 0 },
}

const count = (parts: number): string => (parts === 1 ? '1 part' : `${parts} parts`)
const clip = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text)

function decoded(base64: string): string | undefined {
  const text = Buffer.from(base64, 'base64').toString()
  return text === '' || text.includes('\ufffd') ? undefined : text
}

/** Escapes characters that a terminal does not show. */
function printed(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, unit =>
    unit === '\n' ? '\\n' : `\\u${unit.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  )
}

function part(text: string, from: number): string {
  const shown = text.slice(from, from + SHOWN)
  return `${from > 0 ? '…' : ''}${shown}${from + SHOWN < text.length ? '…' : ''}`
}
