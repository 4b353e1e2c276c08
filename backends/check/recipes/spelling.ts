/** JSON, as languages spell it. The first spelling is ours, that of JSON.stringify. */
import type { Way } from './recipe.ts'

type Escape = (text: string) => string
type Spell = (value: unknown) => string

/** `spell` writes strings; `colon` and `comma` are the texts after a key and between two members. */
const json =
  (spell: Escape, [colon, comma] = [':', ',']): Spell =>
  value =>
    typeof value === 'object' && value !== null
      ? `{${Object.entries(value)
          .map(([key, inner]) => `${spell(JSON.stringify(key))}${colon}${json(spell, [colon!, comma!])(inner)}`)
          .join(comma)}}`
      : spell(JSON.stringify(value))

const code = (text: string): string => text.replace(/./gs, unit => `\\u${hex(unit)}`)
const hex = (unit: string): string => unit.charCodeAt(0).toString(16).padStart(4, '0')
const plain: Escape = text => text
const slashes: Escape = text => text.replaceAll('/', '\\/')
const ascii: Escape = text => text.replace(/[^\0-\x7f]/g, code)
/** Python's, which also escapes DEL. */
const printable: Escape = text => text.replace(/[^ -~]/g, code)
const separators: Escape = text => text.replace(/[\u2028\u2029]/g, code)
const html: Escape = text => separators(text.replace(/[<>&]/g, code))
// A backslash in the text is written as two, so take both together.
const controls: Escape = text =>
  text.replace(/\\./g, pair => (pair === '\\b' ? '\\u0008' : pair === '\\f' ? '\\u000c' : pair))
const upper: Escape = text => text.replace(/[^\0-\x7f]/g, unit => `\\u${hex(unit).toUpperCase()}`)
const dotnet: Escape = text =>
  upper(text.replace(/^"|"$|\\"|[<>&'+`\x7f]/g, it => (it === '"' ? it : `\\u${hex(it.at(-1)!).toUpperCase()}`)))
const gson: Escape = text => separators(text.replace(/[<>&='\x7f]/g, it => (it === '\x7f' ? it : code(it))))
const both =
  (...escapes: Escape[]): Escape =>
  text =>
    escapes.reduce((so, next) => next(so), text)

export const SPELLINGS: readonly Way<Spell>[] = [
  { says: '', do: json(plain) },
  { says: 'your JSON writes / as \\/ (PHP: JSON_UNESCAPED_SLASHES)', do: json(slashes) },
  { says: 'your JSON writes é as \\u00e9 (Python: ensure_ascii=False)', do: json(printable) },
  { says: 'your JSON writes é as \\u00e9 (Python: ensure_ascii=False)', do: json(ascii) },
  {
    says: 'your JSON writes / as \\/ and é as \\u00e9 (PHP: JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE)',
    do: json(both(slashes, ascii)),
  },
  {
    says: 'your JSON writes é as \\u00e9, and spaces after : and , (Python: ensure_ascii=False, separators=(",", ":"))',
    do: json(printable, [': ', ', ']),
  },
  { says: 'your JSON has spaces after : and , (Python: separators=(",", ":"))', do: json(plain, [': ', ', ']) },
  { says: 'your JSON has spaces after the colons', do: json(plain, [': ', ',']) },
  { says: 'your JSON writes < > & as \\u003c \\u003e \\u0026 (Rails: JSON.generate)', do: json(html) },
  {
    says: 'your JSON writes < > & as \\u003c \\u003e \\u0026 (Go: SetEscapeHTML(false), and then \\u2028 and \\u0008 yourself)',
    do: json(both(html, controls)),
  },
  {
    says: 'your JSON writes the line separators as \\u2028 and \\u2029 (PHP: JSON_UNESCAPED_LINE_TERMINATORS)',
    do: json(separators),
  },
  {
    says: 'your JSON writes the line separators as \\u2028 and \\u2029, and \\b and \\f as \\u0008 and \\u000c (Go does)',
    do: json(both(separators, controls)),
  },
  { says: 'your JSON writes \\b and \\f as \\u0008 and \\u000c', do: json(controls) },
  {
    says: 'your JSON writes quotes and all but ASCII as \\uXXXX in upper case (.NET: UnsafeRelaxedJsonEscaping is nearer)',
    do: json(dotnet),
  },
  { says: 'your JSON writes é as \\u00E9, in upper case', do: json(upper) },
  { says: "your JSON writes < > & = ' as \\uXXXX (Gson: disableHtmlEscaping)", do: json(gson) },
  { says: 'your JSON writes DEL as \\u007f', do: json(text => text.replaceAll('\x7f', '\\u007f')) },
  { says: 'your JSON ends with a newline (echo, or an encoder that adds one)', do: value => `${json(plain)(value)}\n` },
  { says: 'you encoded the JSON as JSON once more', do: value => json(plain)(json(plain)(value)) },
]
