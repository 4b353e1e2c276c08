/**
 * What people typed, read strictly: bytes that are not UTF-8 are refused rather than turned into �, because what is
 * stored here is rendered by four languages, and each would mend it differently.
 *
 * Pure.
 */

export class FormRefused extends Error {
  override readonly name = 'FormRefused'
}

export interface NewCard {
  body: string
  author: string
}

const BODY_MAX = 500
const AUTHOR_MAX = 40

/** A card out of a form (`application/x-www-form-urlencoded`). Throws {@link FormRefused} with what to tell the person. */
export function readCard(form: Uint8Array): NewCard {
  const fields = readForm(form)
  const body = (fields.get('body') ?? '').trim()
  const author = (fields.get('author') ?? '').trim()
  if (body === '') throw new FormRefused('Write something first.')
  if (codePoints(body) > BODY_MAX) throw new FormRefused(`A card holds ${BODY_MAX} characters at most.`)
  if (codePoints(author) > AUTHOR_MAX) throw new FormRefused(`A name holds ${AUTHOR_MAX} characters at most.`)
  return { body, author: author === '' ? 'anonymous' : author }
}

/** Fields by name; of several with one name, the first. */
function readForm(form: Uint8Array): Map<string, string> {
  const fields = new Map<string, string>()
  for (const pair of Buffer.from(form).toString('latin1').split('&')) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at))
    if (!fields.has(name)) fields.set(name, at < 0 ? '' : decode(pair.slice(at + 1)))
  }
  return fields
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `text` holds one byte per character. A % that begins no escape is a %, as in every form parser. */
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

const codePoints = (text: string): number => [...text].length
