/**
 * For tests: runs each helper by its adapter, with its own fake cable. The tests skip a missing language aloud;
 * with CI=true that is a failure.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe } from 'node:test'
import { Program, type ProgramAnswer, type Question } from '../check/program.ts'
import { ADAPTERS } from './adapters.ts'
import { type FakeCable, startFakeCable } from './fake-cable.ts'

export interface Helper {
  readonly cable: FakeCable
  readonly program: Program
  /** Broadcasts {@link HTML} to board/1 in 20 s, unless `options` say otherwise. */
  broadcast: (options: object) => Promise<ProgramAnswer>
  position: (...streams: string[]) => Promise<ProgramAnswer>
}

export const HTML = '<b>é🦄</b>'
const BROADCAST = { do: 'broadcast', stream: 'board/1', html: HTML, key: 's3cret', timeout: 20, retries: 0 }

/** The languages run at the same time, because they mostly wait. */
export function describeHelpers(title: string, tests: (helper: Helper) => void): void {
  describe(title, { concurrency: true }, () => {
    for (const [language, { absent, command }] of Object.entries(ADAPTERS)) {
      if (absent !== undefined) console.error(`\n!!! ${absent}\n`)
      describe(`in ${language}`, { skip: process.env.CI !== 'true' && absent !== undefined, concurrency: 1 }, () => {
        const ask = (question: Question) => helper.program.ask({ url: helper.cable.url, ...question })
        const helper: { -readonly [key in keyof Helper]: Helper[key] } = {
          cable: undefined as unknown as FakeCable,
          program: undefined as unknown as Program,
          broadcast: options => ask({ ...BROADCAST, ...options }),
          position: (...streams) => ask({ do: 'position', streams, key: 's3cret' }),
        }

        before(async () => {
          helper.cable = await startFakeCable()
          helper.program = new Program(command(), { timeoutMs: 90_000 })
        })
        beforeEach(() => helper.cable.reset())
        after(async () => {
          await helper.program.close()
          await helper.cable.die().catch(() => {})
        })
        tests(helper)
      })
    }
  })
}

export function succeeds(answer: ProgramAnswer): void {
  assert.ok('result' in answer, JSON.stringify(answer))
}

export function fails(answer: ProgramAnswer, why: RegExp): void {
  assert.match('error' in answer ? answer.error : 'it succeeded', why)
}
