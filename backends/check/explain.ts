/** Explains a program's mistake to its author. */
import { difference, localise } from './difference.ts'
import type { Case } from './families.ts'
import type { ProgramAnswer } from './program.ts'
import { answerSubscribe } from './recipes/answer-subscribe.ts'
import { broadcast } from './recipes/broadcast.ts'
import { broadcastKey } from './recipes/broadcast-key.ts'
import { disconnect } from './recipes/disconnect.ts'
import { issueToken } from './recipes/issue-token.ts'
import { publish } from './recipes/publish.ts'
import type { Recipe } from './recipes/recipe.ts'
import { scriptTag } from './recipes/script-tag.ts'
import { signStream } from './recipes/sign-stream.ts'
import { sourceTag } from './recipes/source-tag.ts'
import { streamFrom } from './recipes/stream-from.ts'
import { turboStream } from './recipes/turbo-stream.ts'
import { wantsTurboStream } from './recipes/wants-turbo-stream.ts'

// biome-ignore lint/suspicious/noExplicitAny: each recipe knows its own question.
export const RECIPES: Readonly<Record<string, Recipe<any>>> = {
  sign_stream: signStream,
  issue_token: issueToken,
  stream_from: streamFrom,
  source_tag: sourceTag,
  script_tag: scriptTag,
  turbo_stream: turboStream,
  wants_turbo_stream: wantsTurboStream,
  broadcast_key: broadcastKey,
  publication: broadcast,
  broadcast,
  publish,
  disconnect,
  answer_subscribe: answerSubscribe,
}

export interface Result {
  readonly case: Case
  readonly answer: ProgramAnswer
  /** The time of the answer, in Unix seconds. */
  readonly clock: number
}

export interface Finding {
  /** In one line. */
  readonly says: string
  /** The cases that it explains. */
  readonly results: Result[]
  /** The first of them: the question, the expected answer and the given one. */
  readonly shows: readonly string[]
}

export const isRight = ({ case: { expected }, answer }: Result): boolean =>
  'result' in answer && answer.result === expected

/** Findings until every wrong answer is explained. */
export function explain(results: readonly Result[]): Finding[] {
  const findings: Finding[] = []
  let wrong = results.filter(result => !isRight(result))
  while (wrong.length > 0) {
    const { says, covers } = explainFirst(wrong[0]!, results)
    const covered = wrong.filter((result, at) => at === 0 || covers(result))
    const known = findings.find(finding => finding.says === says)
    if (known) known.results.push(...covered)
    else findings.push({ says, results: covered, shows: shows(covered[0]!) })
    wrong = wrong.filter(result => !covered.includes(result))
  }
  return findings
}

function explainFirst(first: Result, all: readonly Result[]): { says: string; covers: (result: Result) => boolean } {
  const { case: asked, answer } = first
  if ('error' in answer)
    return {
      says: `your program answers with an error: ${answer.error}`,
      covers: ({ answer: other }) => 'error' in other && other.error === answer.error,
    }
  if (typeof answer.result !== 'string')
    return {
      says: `a result is a string, not ${JSON.stringify(answer.result)}`,
      covers: ({ answer: other }) => 'result' in other && typeof other.result !== 'string',
    }
  const name = asked.question.do
  const said = (result: Result) => ({
    question: { ...result.case.question, clock: result.clock },
    got: 'result' in result.answer ? result.answer.result : undefined,
  })
  const found = RECIPES[name]?.explain(said(first), all.map(said))
  if (found) return { says: found.says, covers: result => found.covers(said(result)) }
  // An unknown mistake: show the first of the answers that nothing explains.
  return { says: localise(name, asked.expected, answer.result), covers: () => true }
}

function shows({ case: { id, question, expected }, answer }: Result): string[] {
  const asked = JSON.stringify(question)
  const lines = [`case      ${id}`, `asked     ${asked.length > 200 ? `${asked.slice(0, 200)}…` : asked}`]
  return 'result' in answer && typeof answer.result === 'string'
    ? [...lines, ...difference(expected, answer.result)]
    : [...lines, `expected  ${expected.slice(0, 200)}`]
}
