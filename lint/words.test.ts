/**
 * Plain English: comments, titles, messages and documents name the actor and say what it does. These words hide the actor,
 * or make a sentence a riddle.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { test } from 'node:test'

const ROOT = resolve(import.meta.dirname, '..')

const UNCLEAR = new RegExp(
  [
    String.raw`\b(?:[Ww]ho|[Ww]hoever|[Ww]hom|[Ss]omebody|[Ss]omeone|[Aa]nybody|[Ee]verybody)\b`,
    String.raw`\b(?:is|are|was|were) (?:told|none)\b`,
    String.raw`\b(?:of (?:its|their) own|not to be had|and such|no more)\b`,
  ].join('|'),
  'g',
)

/** File, and the words that are right there. */
const EXCEPTIONS: readonly (readonly [file: string, words: string])[] = [
  ['backends/check/recipes/issue-token.ts', 'alg is none'], // the name of an algorithm
  ['web/views/people.ts', 'Who is here'], // a question
]

const COMMENTS_AND_STRINGS =
  /\/\*[\s\S]*?\*\/|"""[\s\S]*?"""|(?<!:)\/\/.*|(?<=^|\s)# .*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/gm

test('no comment, title, message or document has a word that hides the actor', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .trim()
    .split('\n')
    .filter(file => isWritten(file) && existsSync(resolve(ROOT, file)))

  const found = files.flatMap(unclear)

  assert.deepEqual(
    found.filter(({ file, line }) => !EXCEPTIONS.some(([at, words]) => at === file && line.includes(words))),
    [],
  )
  assert.equal(found.length, EXCEPTIONS.length, 'an exception is not needed any more')
  assert.ok(files.length > 400)
})

/** Pictures and generated files have no sentences; this file has all of these words. */
function isWritten(file: string): boolean {
  return !/\.(?:png|gif|svg)$|^LICENSE$|^package-lock\.json$|^lint\/words\.test\.ts$/.test(file)
}

function unclear(file: string): { file: string; line: string }[] {
  const text = readFileSync(resolve(ROOT, file), 'utf8')
  const prose = extname(file) === '.md' ? [text] : (text.match(COMMENTS_AND_STRINGS) ?? [])
  return prose.flatMap(part =>
    [...part.matchAll(UNCLEAR)].map(({ index }) => ({
      file,
      line: part.slice(part.lastIndexOf('\n', index) + 1).split('\n', 1)[0]!,
    })),
  )
}
