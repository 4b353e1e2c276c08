/**
 * Reads a visitor's form strictly: bytes that are not UTF-8 are refused rather than turned into �, because several
 * languages render a stored card, and each would mend it differently.
 *
 * Pure.
 */

export class FormRefused extends Error {
  override readonly name = 'FormRefused'
  readonly status: 415 | 422

  constructor(message: string, { status = 422, ...options }: ErrorOptions & { status?: 415 | 422 } = {}) {
    super(message, options)
    this.status = status
  }
}

export interface NewCard {
  body: string
  author: string
}

const BODY_MAX = 500
const AUTHOR_MAX = 40
const QUESTION_MAX = 200

const FORM = 'application/x-www-form-urlencoded'

/** Reads a card from a form with this Content-Type. Throws {@link FormRefused} with a message for the visitor. */
export function readCard(form: Uint8Array, type: string | undefined = FORM): NewCard {
  const fields = readForm(form, type)
  const body = trim(fields.get('body') ?? '')
  const author = trim(fields.get('author') ?? '')
  if (body === '') throw new FormRefused('Write something first.')
  if (codePoints(body) > BODY_MAX) throw new FormRefused(`A card holds ${BODY_MAX} characters at most.`)
  if (codePoints(author) > AUTHOR_MAX) throw new FormRefused(`A name holds ${AUTHOR_MAX} characters at most.`)
  return { body, author: author === '' ? 'anonymous' : author }
}

/** Reads a question, as {@link readCard} does. */
export function readQuestion(form: Uint8Array, type: string): string {
  const question = trim(readForm(form, type).get('question') ?? '')
  if (question === '') throw new FormRefused('Write a question first.')
  if (codePoints(question) > QUESTION_MAX) throw new FormRefused(`A question holds ${QUESTION_MAX} characters at most.`)
  return question
}

/** Fields by name; of several with one name, the first. */
function readForm(form: Uint8Array, type: string): Map<string, string> {
  if (type.split(';')[0]!.trim().toLowerCase() !== FORM) throw new FormRefused(`A form is ${FORM}.`, { status: 415 })
  const fields = new Map<string, string>()
  for (const pair of Buffer.from(form).toString('latin1').split('&')) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at))
    if (!fields.has(name)) fields.set(name, at < 0 ? '' : decode(pair.slice(at + 1)))
  }
  return fields
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `text` holds one byte per character. A % that does not begin an escape stays a %, as in every form parser. */
function decode(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch (cause) {
    throw new FormRefused('The form is not UTF-8.', { cause })
  }
}

/** Not blank, that is, not in Unicode's White_Space, nor U+FEFF: languages disagree on what a space is. */
const INK = '[^\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff]'
const TRIMMED = new RegExp(`${INK}(?:.*${INK})?`, 'su')
const trim = (typed: string): string => TRIMMED.exec(typed)?.[0] ?? ''

const codePoints = (text: string): number => [...text].length
