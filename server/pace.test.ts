import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { answersBelow500, createPace } from './pace.ts'

function clockwork() {
  const timers: { at: number; then: () => void }[] = []
  const clock = { ms: 0 }
  return {
    monotonic: () => clock.ms,
    later: (ms: number, then: () => void) => void timers.push({ at: clock.ms + ms, then }),
    pass(ms: number) {
      const end = clock.ms + ms
      for (;;) {
        timers.sort((a, b) => a.at - b.at)
        if (timers[0] === undefined || timers[0].at > end) break
        const { at, then } = timers.shift()!
        clock.ms = at
        then()
      }
      clock.ms = end
    },
  }
}

test('a few jobs are done at once, many are spread at the rate, and those unwanted take no turn', () => {
  const { monotonic, later, pass } = clockwork()
  const pace = createPace({ rate: 50, notBefore: 0, monotonic, later, check: undefined })
  let done = 0
  for (let i = 0; i < 175; i++) pace.ask({ wanted: () => true, run: () => done++ })
  for (let i = 0; i < 500; i++) pace.ask({ wanted: () => false, run: () => done++ })

  assert.equal(done, 5)
  pass(1000)
  assert.ok(done >= 54 && done <= 56, String(done))
  pass(2500)
  assert.deepEqual([done, pace.waiting], [175, 0])
})

for (const rate of [1, 4, 50, 1000]) {
  test(`no second has more than 1.1 times ${rate} jobs, or one more, however long there was nothing to do`, () => {
    const { monotonic, later, pass } = clockwork()
    const pace = createPace({ rate, notBefore: 5000, monotonic, later, check: undefined })
    const times: number[] = []
    for (let i = 0; i < 5 * rate; i++) pace.ask({ wanted: () => true, run: () => void times.push(monotonic()) })
    pass(60_000)
    for (let i = 0; i < 5 * rate; i++) pace.ask({ wanted: () => true, run: () => void times.push(monotonic()) })
    pass(60_000)

    assert.equal(times.length, 10 * rate)
    const most = Math.max(...times.map(from => times.filter(at => at >= from && at < from + 1000).length))
    assert.ok(most <= Math.max(rate + 1, 1.1 * rate), `${most} in a second`)
  })
}

test('nothing is done before its time', () => {
  const { monotonic, later, pass } = clockwork()
  const pace = createPace({ rate: 10, notBefore: 5000, monotonic, later, check: undefined })
  let done = 0
  pace.ask({ wanted: () => true, run: () => done++ })

  pass(4999)
  assert.equal(done, 0)
  pass(1)
  assert.equal(done, 1)
})

test('nothing is done while the app is not well, and everything when it is again', async () => {
  const { monotonic, later, pass } = clockwork()
  let well = false
  let asked = 0
  const check = async () => {
    asked++
    return well
  }
  const pace = createPace({ rate: 50, notBefore: 0, monotonic, later, check })
  let done = 0
  for (let i = 0; i < 3; i++) pace.ask({ wanted: () => true, run: () => done++ })
  for (let second = 0; second < 5; second++) {
    await new Promise(setImmediate)
    pass(1000)
  }
  assert.deepEqual([done, asked <= 6], [0, true])

  well = true
  await new Promise(setImmediate)
  pass(1000)
  await new Promise(setImmediate)
  assert.equal(done, 3)
})

test('an app is well when it answers below 500', async t => {
  let status = 200
  const app = createServer((_, response) => response.writeHead(status).end('x')).listen(0, '127.0.0.1')
  t.after(() => app.close())
  await new Promise(resolve => app.once('listening', resolve))
  const check = answersBelow500(`http://127.0.0.1:${(app.address() as { port: number }).port}/`)
  const seen = []
  for (status of [200, 303, 404, 500, 502]) seen.push(await check())

  assert.deepEqual(seen, [true, true, true, false, false])
  assert.equal(await answersBelow500('http://127.0.0.1:1/')(), false)
})
