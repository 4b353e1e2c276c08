/**
 * A broadcast to a cable that is down, in every language: one clear error, or with retries another try; never an endless
 * wait, never half a broadcast.
 */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { ProgramAnswer } from '../../backends/check/program.ts'
import { describeHelpers, fails, HTML, succeeds } from '../../backends/harness/every-helper.ts'
import type { Received } from '../../backends/harness/fake-cable.ts'
import { within } from '../../backends/harness/within.ts'

const bodyWith = (id: string) => JSON.stringify({ stream: 'board/1', data: JSON.stringify(HTML), meta: { id } })
const idOf = (body: string): string => JSON.parse(body).meta.id

const LONG = 'x'.repeat(5_000_000)
const REASON = '{"error":"too_large"}'
const head = (status: number, length: number) =>
  `HTTP/1.1 ${status} \r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
const HANGING_UP: Record<string, (socket: Socket) => void> = {
  closes: socket => socket.destroy(),
  resets: socket => socket.resetAndDestroy(),
}

describeHelpers('a broadcast', helper => {
  const broadcast = async (options: object): Promise<{ answer: ProgramAnswer; ms: number }> => {
    const from = performance.now()
    const answer = await helper.broadcast(options)
    return { answer, ms: performance.now() - from }
  }

  test('a cable that works gets the broadcast once, however many retries are allowed', async () => {
    succeeds((await broadcast({ retries: 5 })).answer)
    const [{ body }, ...more] = helper.cable.received as [Received, ...Received[]]
    assert.equal(body, bodyWith(idOf(body)))
    assert.deepEqual(more, [])
  })

  test('each call has another random id: 128 bits in base64url', async () => {
    for (let calls = 0; calls < 50; calls++) succeeds((await broadcast({})).answer)
    const ids = helper.cable.received.map(({ body }) => idOf(body))
    assert.equal(new Set(ids).size, 50)
    for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{21}[AQgw]$/)
    // A random character has about 35 different values in 50 ids; a time or a counter has few.
    for (let at = 0; at < 21; at++) assert.ok(new Set(ids.map(id => id[at])).size > 10, `character ${at} of ${ids}`)
  })

  test('all tries of a call have one id', async () => {
    const bodies: string[] = []
    helper.cable.onBroadcast = (_, body) => (bodies.push(body) < 4 ? 503 : 201)
    succeeds((await broadcast({ retries: 3 })).answer)
    assert.deepEqual(bodies, Array(4).fill(bodyWith(idOf(bodies[0]!))))
  })

  test('a helper retries a cable that fails after 0.1 s and 0.3 s, with the whole broadcast', async () => {
    const tries: number[] = []
    helper.cable.onBroadcast = () => (tries.push(performance.now()) < 3 ? 503 : 201)
    succeeds((await broadcast({ retries: 3 })).answer)
    const [first, second, third] = tries
    assert.equal(tries.length, 3)
    assert.ok(second! - first! >= 90 && third! - second! >= 290, `tried at ${tries}`)
    assert.deepEqual(
      helper.cable.received.map(({ body, authorization }) => [body, authorization]),
      [[bodyWith(idOf(helper.cable.received[0]!.body)), 'Bearer s3cret']],
    )
  })

  test('a helper reports the status of a cable that keeps failing, after all its tries', async () => {
    let tries = 0
    helper.cable.onBroadcast = () => {
      tries++
      return 500
    }
    fails((await broadcast({})).answer, /the cable answered 500/)
    fails((await broadcast({ retries: 1 })).answer, /the cable answered 500/)
    assert.equal(tries, 3)
  })

  test('a helper does not send a refused broadcast again', async () => {
    for (const status of [401, 404, 413, 422]) {
      let tries = 0
      helper.cable.onBroadcast = () => {
        tries++
        return status
      }
      fails((await broadcast({ retries: 5 })).answer, new RegExp(`the cable answered ${status}`))
      assert.equal(tries, 1)
    }
  })

  // A wait fits if it is no longer than the tries that are left may take: here 2 × 10 s.
  const waits: [status: number, after: string, seconds: number][] = [
    [503, '1', 1],
    [429, '1', 1],
    [503, '0', 0.1],
    [503, 'Thu, 26 Nov 2026 08:00:00 GMT', 0.1],
  ]
  for (const [status, after, seconds] of waits)
    test(`a cable that answers ${status} with Retry-After ${after} gets the same broadcast ${seconds} s later`, async () => {
      const tries: { body: string; at: number }[] = []
      helper.cable.retryAfter = after
      helper.cable.onBroadcast = (_, body) => (tries.push({ body, at: performance.now() }) < 3 ? status : 201)
      succeeds((await broadcast({ timeout: 10, retries: 2 })).answer)
      assert.deepEqual(
        tries.map(({ body }) => body),
        Array(3).fill(bodyWith(idOf(tries[0]!.body))),
      )
      for (const [at, next] of tries.slice(1).entries())
        assert.ok(next.at - tries[at]!.at >= seconds * 990, `tried at ${tries.map(({ at }) => at)}`)
    })

  const gaveUp: [status: number, after: string | undefined, options: object][] = [
    [503, '21', { timeout: 10, retries: 2 }],
    [503, '8', { timeout: 2.5, retries: 3 }],
    [503, '99999999999999999999', { timeout: 10, retries: 2 }],
    [503, '1', { timeout: 10, retries: 0 }],
    [429, undefined, { timeout: 10, retries: 2 }],
    [429, 'soon', { timeout: 10, retries: 2 }],
    [404, '0', { timeout: 10, retries: 2 }],
  ]
  for (const [status, after, options] of gaveUp)
    test(`${status} with Retry-After ${after} is an error at once, if ${JSON.stringify(options)}`, async () => {
      let tries = 0
      helper.cable.retryAfter = after
      helper.cable.onBroadcast = () => {
        tries++
        return status
      }
      const { answer } = await broadcast(options)
      fails(answer, new RegExp(`the cable answered ${status}`))
      assert.equal(tries, 1)
    })

  for (const [how, hangUp] of Object.entries(HANGING_UP)) {
    test(`a helper sends a long broadcast once, to a cable that answers 413 before it has read it and ${how}`, async () => {
      let tries = 0
      helper.cable.onHead = socket => {
        tries++
        socket.write(`${head(413, REASON.length)}${REASON}`, () => hangUp(socket))
      }
      const { answer } = await broadcast({ html: LONG, timeout: 60, retries: 2 })
      fails(answer, /the cable answered 413: .*too_large/)
      assert.equal(tries, 1)
    })

    test(`a helper sends a long broadcast again, to a cable that answers nothing and ${how}`, async () => {
      let tries = 0
      helper.cable.onHead = socket => {
        if (++tries === 2) helper.cable.onHead = undefined
        hangUp(socket)
      }
      succeeds((await broadcast({ html: LONG, timeout: 60, retries: 2 })).answer)
      assert.equal(tries, 2)
    })
  }

  test('the status counts, even if the rest of the answer never comes', async () => {
    const rests: ((socket: Socket) => void)[] = [...Object.values(HANGING_UP), () => {}]
    for (const rest of rests) {
      for (const status of [413, 201]) {
        let tries = 0
        helper.cable.onHead = socket => {
          tries++
          socket.write(`${head(status, 1000)}cut short`, () => rest(socket))
        }
        const { answer } = await broadcast({ timeout: 5, retries: 2 })
        if (status === 201) succeeds(answer)
        else fails(answer, /the cable answered 413/)
        assert.equal(tries, 1)
      }
    }
  })

  test('a cable that is down is one error, at once; with retries it gets the broadcast once it is back', async t => {
    await helper.cable.die()
    t.after(() => helper.cable.live().catch(() => {}))
    const down = await within(1000, () => broadcast({}))
    fails(down.answer, new RegExp(`the cable answered nothing: .*${new URL(helper.cable.url).port}`))

    const retried = broadcast({ retries: 3 })
    setTimeout(() => helper.cable.live(), 250)
    succeeds((await retried).answer)
    assert.equal(helper.cable.received.length, 1)
  })

  test('a helper uses a query and a password in the URL, and never shows them', async () => {
    const secret = (path: string) => `${helper.cable.url.replace('//', '//me:canary@')}${path}?key=canary`
    succeeds(await helper.broadcast({ url: secret('') }))
    helper.cable.hangs = true
    const urls = ['http://me:canary@cable.invalid/x?key=canary', 'http://me:canary@[/?key=canary', 'cable?key=canary']
    for (const url of [secret(''), secret('?key=canary canary'), ...urls]) {
      const answer = await helper.broadcast({ url, timeout: 0.3 })
      fails(answer, /the cable answered (nothing|400): /)
      assert.doesNotMatch(JSON.stringify(answer), /canary/)
    }
  })

  test('a helper waits for a cable that hangs as long as its time-out says, in each try', async () => {
    helper.cable.hangs = true
    const once = await within(1300, () => broadcast({ timeout: 0.3 }))
    fails(once.answer, /the cable answered nothing/)
    const twice = await within(2300, () => broadcast({ timeout: 0.3, retries: 1 }))
    fails(twice.answer, /the cable answered nothing/)
    assert.ok(once.ms >= 290, `it took ${once.ms} ms`)
    assert.ok(twice.ms >= 690, `it took ${twice.ms} ms`)
  })
})
