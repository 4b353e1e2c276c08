/**
 * Writes the vectors, or with --check compares them: the bytes that every language must produce, the inputs that the
 * cable must accept, and those that it must refuse, with the reason.
 *
 *   node backends/vectors/generate.ts           writes *.json
 *   node backends/vectors/generate.ts --check   exits 1 if a file differs from the generated text
 *
 * It signs with its own few lines (sign.ts), and not with the helpers: two implementations that check each other.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { broadcasts } from './broadcasts.ts'
import { settings } from './settings.ts'
import { signedStreams } from './signed-streams.ts'
import { subscribes } from './subscribes.ts'
import { tags } from './tags.ts'
import { tokens } from './tokens.ts'

interface Case {
  id: string
  flag?: string
}
interface Vectors {
  about: string
  secret?: string
  notes: Record<string, string>
  [cases: string]: unknown
}

const FILES: Record<string, Vectors> = {
  'tokens.json': tokens,
  'signed-streams.json': signedStreams,
  'tags.json': tags,
  'broadcasts.json': broadcasts,
  'settings.json': settings,
  'subscribes.json': subscribes,
}

const check = process.argv.includes('--check')
let failed = 0
let cases = 0
for (const [name, vectors] of Object.entries(FILES)) {
  const file = new URL(name, import.meta.url)
  const text = print(vectors)
  const problems = findProblems(vectors)
  if (check && read(file) !== text) problems.push('differs from what generate.ts writes')
  if (!check) writeFileSync(file, text)
  for (const problem of problems) console.log(`${name}: ${problem}`)
  if (problems.length > 0) failed++
  cases += allCases(vectors).length
}
console.log(`${cases} cases`)
console.log(`${Object.keys(FILES).length - failed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

/** Ids are unique, and every flag has its sentence, and every sentence its case. */
function findProblems(vectors: Vectors): string[] {
  const ids = allCases(vectors).map(({ id }) => id)
  const flags = new Set(allCases(vectors).flatMap(({ flag }) => flag ?? []))
  return [
    ...ids.filter((id, i) => ids.indexOf(id) !== i).map(id => `two cases are called ${id}`),
    ...[...flags].filter(flag => !(flag in vectors.notes)).map(flag => `no note explains ${flag}`),
    ...Object.keys(vectors.notes)
      .filter(flag => !flags.has(flag))
      .map(flag => `no case has the flag ${flag}`),
  ]
}

function allCases(vectors: Vectors): Case[] {
  return Object.values(vectors).flatMap(value => (Array.isArray(value) ? (value as Case[]) : []))
}

function read(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** One case a line, so that a difference shows the case; invisible characters are escaped. */
function print(vectors: Vectors): string {
  const line = (value: unknown) =>
    JSON.stringify(value).replace(
      /[\u007f-\u009f\u200b-\u200f\u2028\u2029\ufeff]/g,
      character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  const block = (value: unknown) => {
    if (Array.isArray(value)) return `[\n${value.map(item => `    ${line(item)}`).join(',\n')}\n  ]`
    if (typeof value !== 'object' || value === null) return line(value)
    const rows = Object.entries(value).map(([key, item]) => `    ${line(key)}: ${line(item)}`)
    return `{\n${rows.join(',\n')}\n  }`
  }
  const parts = Object.entries(vectors).map(([key, value]) => `  ${line(key)}: ${block(value)}`)
  return `{\n${parts.join(',\n')}\n}\n`
}
