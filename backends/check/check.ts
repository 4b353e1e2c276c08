/** Asks a program all questions of a family, and reports its answers. */
import { known } from '../harness/within.ts'
import { explain, type Finding, isRight, type Result } from './explain.ts'
import type { Case, Family } from './families.ts'
import { type CommandLine, Program, ProgramFailed, type ProgramOptions } from './program.ts'

export interface FamilyVerdict {
  readonly family: Family
  readonly answered: number
  readonly passed: number
  /** In one line: `passed`, or the first fault. */
  readonly says: string
  readonly findings: readonly Finding[]
}

/** Each family starts the program again, so that a program which ends at a question still gets the next family. */
export async function check(
  family: Family,
  command: CommandLine,
  options: ProgramOptions = {},
): Promise<FamilyVerdict> {
  const program = new Program(command, options)
  // A signal that stops the check also stops the program, which has its own process group.
  const stop = () => program.kill()
  process.once('exit', stop)
  const results: Result[] = []
  let failure: string | undefined
  try {
    for (const one of family.cases) {
      results.push({ case: one, ...(await ask(program, one)) })
    }
    await program.close()
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error
    const at = family.cases[results.length]
    failure = at ? `${error.message} (at ${JSON.stringify(at.id)})` : error.message
  } finally {
    await program.end()
    process.off('exit', stop)
  }
  const findings = explain(results)
  const says = failure ?? findings[0]?.says ?? 'passed'
  return { family, answered: results.length, passed: results.filter(isRight).length, says, findings }
}

/** Asks once more if a second passed meanwhile: only then can we recognize a time that came from the clock. */
async function ask(program: Program, { question, seen, expected }: Case): Promise<Pick<Result, 'answer' | 'clock'>> {
  if (question.do === 'position' && expected !== '-')
    return { answer: await known(() => program.ask(question)), clock: seconds() }
  if (seen !== undefined) return { answer: seen(await program.ask(question)), clock: seconds() }
  const asked = seconds()
  const answer = await program.ask(question)
  return seconds() === asked ? { answer, clock: asked } : { answer: await program.ask(question), clock: seconds() }
}

const seconds = () => Math.floor(Date.now() / 1000)
