/**
 * A broadcast to a cable that is down, in every language: one clear error, or with retries another try; never a wait
 * without end, never half of it. A language that is not installed is skipped aloud; with CI=true that is a failure.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, beforeEach, describe, test } from 'node:test'
import { ADAPTERS } from './adapters.ts'
import { type Answer, Program, type Question } from './check/program.ts'
import { type FakeCable, startFakeCable } from './fake-cable.ts'

const QUESTION = { do: 'broadcast', stream: 'board/1', html: '<b>é🦄</b>', key: 's3cret', timeout: 2, retries: 0 }
const BODY = JSON.stringify({ stream: 'board/1', data: JSON.stringify('<b>é🦄</b>') })

const LONG = 'x'.repeat(5_000_000)
const REASON = '{"error":"too_large"}'
const head = (status: number, length: number) =>
  `HTTP/1.1 ${status} \r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
const HANGING_UP: Record<string, (socket: Socket) => void> = {
  closes: socket => socket.destroy(),
  resets: socket => socket.resetAndDestroy(),
}

// At the same time: most of it is waiting.
describe('a broadcast', { concurrency: true }, () => {
  for (const [language, { absent, command }] of Object.entries(ADAPTERS)) {
    if (absent !== undefined) console.error(`\n!!! ${absent}\n`)
    describe(`in ${language}`, { skip: process.env.CI !== 'true' && absent !== undefined, concurrency: 1 }, () => {
      let cable: FakeCable
      let program: Program
      const broadcast = async (options: object): Promise<{ answer: Answer; ms: number }> => {
        const from = performance.now()
        const answer = await program.ask({ ...QUESTION, url: cable.url, ...options } as Question)
        return { answer, ms: performance.now() - from }
      }

      before(async () => {
        cable = await startFakeCable()
        program = new Program(command())
      })
      beforeEach(() => cable.reset())
      after(async () => {
        await program.close()
        await cable.die().catch(() => {})
      })

      test('a cable that is up has it once, whatever it is allowed to retry', async () => {
        succeeds((await broadcast({ retries: 5 })).answer)
        assert.deepEqual(
          cable.received.map(({ body }) => body),
          [BODY],
        )
      })

      test('a cable that is not well is asked again, after 0.1 s and 0.3 s, with all of it', async () => {
        const tries: number[] = []
        cable.onBroadcast = () => (tries.push(performance.now()) < 3 ? 503 : 201)
        succeeds((await broadcast({ retries: 3 })).answer)
        const [first, second, third] = tries
        assert.equal(tries.length, 3)
        assert.ok(second! - first! >= 90 && third! - second! >= 290, `tried at ${tries}`)
        assert.deepEqual(
          cable.received.map(({ body, authorization }) => [body, authorization]),
          [[BODY, 'Bearer s3cret']],
        )
      })

      test('a cable that stays unwell is an error with its status, after as many tries as were asked for', async () => {
        let tries = 0
        cable.onBroadcast = () => {
          tries++
          return 500
        }
        fails((await broadcast({})).answer, /the cable answered 500/)
        fails((await broadcast({ retries: 1 })).answer, /the cable answered 500/)
        assert.equal(tries, 3)
      })

      test('what the cable refuses is not sent again', async () => {
        for (const status of [401, 404, 413, 422]) {
          let tries = 0
          cable.onBroadcast = () => {
            tries++
            return status
          }
          fails((await broadcast({ retries: 5 })).answer, new RegExp(`the cable answered ${status}`))
          assert.equal(tries, 1)
        }
      })

      for (const [how, hangUp] of Object.entries(HANGING_UP)) {
        test(`a long broadcast is refused once, by a cable that answers 413 before it has read it and ${how}`, async () => {
          let tries = 0
          cable.onHead = socket => {
            tries++
            socket.write(`${head(413, REASON.length)}${REASON}`, () => hangUp(socket))
          }
          const { answer } = await broadcast({ html: LONG, timeout: 5, retries: 2 })
          fails(answer, /the cable answered 413: .*too_large/)
          assert.equal(tries, 1)
        })

        test(`a long broadcast is sent again to a cable that answers nothing and ${how}`, async () => {
          let tries = 0
          cable.onHead = socket => {
            if (++tries === 2) cable.onHead = undefined
            hangUp(socket)
          }
          succeeds((await broadcast({ html: LONG, timeout: 5, retries: 2 })).answer)
          assert.equal(tries, 2)
        })
      }

      test('the status counts, whatever becomes of the rest of the answer', async () => {
        const rests: ((socket: Socket) => void)[] = [...Object.values(HANGING_UP), () => {}]
        for (const rest of rests) {
          for (const status of [413, 201]) {
            let tries = 0
            cable.onHead = socket => {
              tries++
              socket.write(`${head(status, 1000)}cut short`, () => rest(socket))
            }
            const { answer } = await broadcast({ timeout: 0.3, retries: 2 })
            if (status === 201) succeeds(answer)
            else fails(answer, /the cable answered 413/)
            assert.equal(tries, 1)
          }
        }
      })

      test('a cable that is down is one error, at once; with retries it has it when it is back', async t => {
        await cable.die()
        t.after(() => cable.live().catch(() => {}))
        const down = await broadcast({})
        fails(down.answer, new RegExp(`the cable answered nothing: .*${new URL(cable.url).port}`))
        assert.ok(down.ms < 1000, `it took ${down.ms} ms`)

        const retried = broadcast({ retries: 3 })
        setTimeout(() => cable.live(), 250)
        succeeds((await retried).answer)
        assert.equal(cable.received.length, 1)
      })

      test('a cable that hangs is waited for as long as was asked for, each time', async () => {
        cable.hangs = true
        const once = await broadcast({ timeout: 0.3 })
        fails(once.answer, /the cable answered nothing/)
        const twice = await broadcast({ timeout: 0.3, retries: 1 })
        fails(twice.answer, /the cable answered nothing/)
        assert.ok(once.ms >= 290 && once.ms < 1300, `it took ${once.ms} ms`)
        assert.ok(twice.ms >= 690 && twice.ms < 2300, `it took ${twice.ms} ms`)
      })
    })
  }
})

function succeeds(answer: Answer): void {
  assert.ok('result' in answer, JSON.stringify(answer))
}

function fails(answer: Answer, why: RegExp): void {
  assert.match('error' in answer ? answer.error : 'it succeeded', why)
}
