import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { createPace, createRefreshPace, isWell, type PaceSettings } from './pace.ts'

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

/** A pace on a clock that the test moves, and what jobs did, in order. */
function paced(settings: Omit<Partial<PaceSettings>, 'rate'> & { rate: number }) {
  const { monotonic, later, pass } = clockwork()
  const pace = createPace({ notBefore: 0, check: undefined, monotonic, later, ...settings, rate: () => settings.rate })
  const done: string[] = []
  const ask = (owner: string, job = owner) => pace.ask(owner, () => done.push(job) > 0)
  return { pace, ask, done, pass, monotonic }
}

test('a few jobs run at once, many at the rate, and those with nothing to do take no turn', () => {
  const { pace, ask, done, pass } = paced({ rate: 50 })
  for (let i = 0; i < 175; i++) ask('ada')
  for (let i = 0; i < 500; i++) pace.ask('ada', () => false)

  assert.equal(done.length, 5)
  pass(1000)
  assert.ok(done.length >= 54 && done.length <= 56, String(done.length))
  pass(2500)
  assert.deepEqual([done.length, pace.waiting], [175, 0])
})

test('the rate of a cable of three nodes is a third for each, from the moment at which it knows them', () => {
  const { monotonic, later, pass } = clockwork()
  let nodes = 1
  const settings = { heal: 'on', heal_rate: 30, heal_delay: 0, heal_check: '' }
  const pace = createRefreshPace(settings, { nodes: () => nodes, later, monotonic })!
  let done = 0
  for (let i = 0; i < 200; i++) pace.ask('ada', () => ++done > 0)
  pass(1000)
  const alone = done
  nodes = 3
  pass(2000)

  assert.ok(alone >= 32 && alone <= 33, String(alone))
  assert.ok(done - alone >= 19 && done - alone <= 22, String(done - alone))
})

for (const rate of [1, 4, 50, 1000]) {
  test(`no second has more than 1.1 times ${rate} jobs, or one more, however long there was nothing to do`, () => {
    const { pace, pass, monotonic } = paced({ rate, notBefore: 5000 })
    const times: number[] = []
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 5 * rate; i++) pace.ask(`${i % 3}`, () => times.push(monotonic()) > 0)
      pass(60_000)
    }

    assert.equal(times.length, 10 * rate)
    const most = Math.max(...times.map(from => times.filter(at => at >= from && at < from + 1000).length))
    assert.ok(most <= Math.max(rate + 1, 1.1 * rate), `${most} in a second`)
  })
}

test('an owner with 1,500 jobs delays another owner by one turn', () => {
  const { ask, done, pass } = paced({ rate: 50 })
  for (let i = 0; i < 1500; i++) ask('mallory')
  pass(1000)
  const before = done.length
  ask('ada')
  pass(1000)

  assert.ok(before < 60, String(before))
  assert.ok(done.indexOf('ada') <= before + 1, String(done.indexOf('ada') - before))
})

test('an owner waits for at most one job of each other owner, and its own jobs run in order', () => {
  const { ask, done, pass } = paced({ rate: 10 })
  for (let job = 0; job < 20; job++) for (let owner = 0; owner < 100; owner++) ask(`${owner}`, `${owner}/${job}`)
  pass(5_000)
  const before = done.length
  for (let job = 0; job < 3; job++) ask('ada', `ada/${job}`)
  pass(300_000)

  const own = (owner: string) => done.filter(job => job.startsWith(`${owner}/`))
  assert.deepEqual(own('ada'), ['ada/0', 'ada/1', 'ada/2'])
  for (let job = 0; job < 3; job++)
    assert.ok(done.indexOf(`ada/${job}`) <= before + 101 * (job + 1), `${done.indexOf(`ada/${job}`)}`)
  assert.deepEqual(
    own('57'),
    Array.from({ length: 20 }, (_, job) => `57/${job}`),
  )
})

test('a job that was taken back does not run, does not count as waiting, and delays no other', () => {
  const { pace, ask, done, pass } = paced({ rate: 10 })
  ask('ada', 'first')
  const takeBacks = Array.from({ length: 100_000 }, (_, i) => ask(i % 2 === 0 ? 'mallory' : `mallory ${i}`))
  ask('ada', 'second')
  const after = ask('ada', 'third')
  assert.equal(pace.waiting, 100_002)
  for (const takeBack of takeBacks) takeBack()
  assert.equal(pace.waiting, 2)
  after()
  after()
  pass(100)

  assert.deepEqual([done, pace.waiting], [['first', 'second'], 0])
  pass(1000)
  ask('mallory', 'done at once')()
  assert.equal(pace.waiting, 0)
})

test('the pace skips at most 1,000 jobs with nothing to do at a time', () => {
  const { pace, ask, done, pass } = paced({ rate: 50 })
  let looks = 0
  for (let i = 0; i < 5; i++) ask('ada')
  for (let i = 0; i < 100_000; i++) pace.ask('mallory', () => ++looks < 0)
  ask('ada', 'last')
  assert.equal(looks, 0)
  let before = 0
  for (let tick = 0; tick < 101; tick++) {
    pass(20)
    assert.ok(looks - before <= 1_000, `${looks - before} in one go`)
    before = looks
  }

  assert.deepEqual([looks, pace.waiting, done.at(-1)], [100_000, 0, 'last'])
})

test('no job runs before its time', () => {
  const { ask, done, pass } = paced({ rate: 10, notBefore: 5000 })
  ask('ada')

  pass(4999)
  assert.equal(done.length, 0)
  pass(1)
  assert.equal(done.length, 1)
})

test('no job runs while the app fails, and all run when it answers again', async () => {
  let well = false
  let asked = 0
  const check = async () => {
    asked++
    return well
  }
  const { ask, done, pass } = paced({ rate: 50, check })
  for (let i = 0; i < 3; i++) ask('ada')
  for (let second = 0; second < 5; second++) {
    await new Promise(setImmediate)
    pass(1000)
  }
  assert.deepEqual([done.length, asked <= 6], [0, true])

  well = true
  await new Promise(setImmediate)
  pass(1000)
  await new Promise(setImmediate)
  assert.equal(done.length, 3)
})

test('an app is well when it answers below 500, but not with 429', async t => {
  let status = 200
  const app = createServer((_, response) => response.writeHead(status).end('x')).listen(0, '127.0.0.1')
  t.after(() => app.close())
  await new Promise(resolve => app.once('listening', resolve))
  const check = isWell(`http://127.0.0.1:${(app.address() as { port: number }).port}/`)
  const seen = []
  for (status of [200, 303, 404, 429, 500, 502]) seen.push(await check())

  assert.deepEqual(seen, [true, true, true, false, false, false])
  assert.equal(await isWell('http://127.0.0.1:1/')(), false)
})
