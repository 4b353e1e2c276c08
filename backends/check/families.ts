/** The vectors as questions: the question, and the bytes that a program must answer. */
import { readFileSync } from 'node:fs'
import type { ProgramAnswer, Question } from './program.ts'

export interface Case {
  readonly id: string
  readonly question: Question
  readonly expected: string
  /** Compared with `expected` in place of the answer, such as a body that a cable received. */
  readonly seen?: (answer: ProgramAnswer) => ProgramAnswer
}

export interface Family {
  /** The name of the question, as in {@link Question.do}. */
  readonly name: string
  readonly file: string
  readonly cases: readonly Case[]
}

export function families(): Family[] {
  return [
    family('sign_stream', 'signed-streams', ({ sign, refuse }) => [...sign, ...refuse.filter(isIssued)], 'signed'),
    family('issue_token', 'tokens', ({ produce }) => produce, 'token'),
    family('stream_from', 'tags', made('stream_from'), 'html'),
    family('source_tag', 'tags', made('source_tag'), 'html'),
    family('script_tag', 'tags', made('script_tag'), 'html'),
    family('turbo_stream', 'tags', made('turbo_stream'), 'html'),
    family('wants_turbo_stream', 'tags', ({ answers }) => answers, 'type'),
    family('broadcast_key', 'broadcasts', ({ keys }) => keys, 'key'),
    answers(),
  ]
}

type Row = Record<string, unknown>
type Lists =
  | 'sign'
  | 'refuse'
  | 'produce'
  | 'keys'
  | 'accept'
  | 'targets'
  | 'answers'
  | 'lists'
  | 'disconnects'
  | 'questions'
type Rows = Record<Lists, Row[]>

export function vectors(file: string): Rows & { readonly secret: string } {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), 'utf8'))
}

const ASKED = [
  ...['stream', 'streams', 'identity', 'position', 'action', 'target', 'content', 'attributes'],
  ...['secret', 'ttl', 'expires_in', 'now', 'url', 'nonce', 'drive', 'accept'],
]

function family(name: string, file: string, rows: (vectors: Rows) => Row[], answer: string): Family {
  const all = vectors(file)
  const isSigned = !['script_tag', 'turbo_stream', 'wants_turbo_stream'].includes(name)
  const cases = rows(all).map(row => {
    const given = { ...(isSigned && { secret: all.secret }), ...row }
    const asked = Object.entries(given).filter(([key]) => ASKED.includes(key))
    const named = asked.map(([key, value]) => [key === 'content' ? 'html' : key, value])
    return {
      id: String(row.id),
      question: { do: name, ...Object.fromEntries(named) },
      expected: String(row[answer]),
    }
  })
  return { name, file: `${file}.json`, cases }
}

function answers(): Family {
  const { questions, secret } = vectors('subscribes')
  const cases = questions.map(({ id, answer, ...row }) => ({
    id: String(id),
    question: { do: 'answer_subscribe', secret, ...row },
    expected: String(answer),
  }))
  return { name: 'answer_subscribe', file: 'subscribes.json', cases }
}

/** The cable refuses a name that has expired, but a program writes it like any other. */
const isIssued = (row: Row): boolean => 'expires_in' in row

const made =
  (make: string) =>
  ({ produce }: Rows): Row[] =>
    produce.filter(row => row.make === make)
