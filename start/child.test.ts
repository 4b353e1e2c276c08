import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { keepRunning } from './child.ts'

/** A child that runs a script; its output, line by line; and what `npm start` says about it. */
function run(t: TestContext, script: string, waits: number[] = [], onMisconfigured = () => {}) {
  const [lines, said] = [new PassThrough({ objectMode: true }), new PassThrough({ objectMode: true })]
  const child = keepRunning({
    title: 'Thing',
    command: process.execPath,
    args: ['-e', script],
    cwd: process.cwd(),
    env: process.env,
    onLine: line => lines.write(line),
    say: line => said.write(line),
    backOff: { after: () => waits.shift() ?? 10_000 },
    graceMs: 300,
    onMisconfigured,
  })
  t.after(child.kill)
  return { child, line: reader(lines), said: reader(said) }
}

/** Reads line by line; the lines of one turn wait for their reader. */
function reader(stream: PassThrough): () => Promise<string> {
  const lines: AsyncIterator<string> = stream[Symbol.asyncIterator]()
  return async () => (await lines.next()).value
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const FOREVER = 'setInterval(() => {}, 1000);'

test("a child's output arrives line by line, from both of its streams", async t => {
  const { line } = run(
    t,
    `process.stdout.write('one\\r\\ntw')
     setTimeout(() => process.stdout.write('o\\n', () => console.error('three')), 20); ${FOREVER}`,
  )

  assert.deepEqual([await line(), await line(), await line()], ['one', 'two', 'three'])
})

test('a child that dies is started again, and a line says so', async t => {
  const { line, said } = run(t, "console.log('here'); process.exit(3)", [0, 0])

  assert.equal(await line(), 'here')
  assert.equal(await said(), 'Thing stopped (exit code 3), starting it again in 0 s')
  assert.equal(await line(), 'here')
})

test('a command that does not exist is reported in a line, not thrown', async t => {
  const said = new PassThrough({ objectMode: true })
  const child = keepRunning({
    title: 'Thing',
    command: '/nowhere/thing',
    args: [],
    cwd: process.cwd(),
    env: {},
    onLine: () => {},
    say: line => said.write(line),
  })
  t.after(child.kill)

  assert.match(await reader(said)(), /^Thing stopped \(spawn \/nowhere\/thing ENOENT\)/)
})

test('stopping ends a child and all processes that it started', async t => {
  const { child, line } = run(
    t,
    `const { spawn } = require('node:child_process')
     console.log(spawn(process.execPath, ['-e', '${FOREVER}']).pid + ' ' + process.pid); ${FOREVER}`,
  )
  const pids = (await line()).split(' ').map(Number)
  assert.ok(pids.every(isAlive))

  await child.stop()

  // A killed process is a zombie until init reaps it, which is soon but not at once.
  while (pids.some(isAlive)) await pause(20)
})

test('processes that a dead child left behind end before it is started again', async t => {
  const { line, said } = run(
    t,
    `const { spawn } = require('node:child_process')
     console.log(spawn(process.execPath, ['-e', '${FOREVER}'], { stdio: 'ignore' }).pid); process.exit(1)`,
  )
  const pid = Number(await line())
  await said()

  while (isAlive(pid)) await pause(20)
})

test('a child that ignores signals to end is killed', async t => {
  const { child, line } = run(t, `process.on('SIGTERM', () => {}); console.log('deaf'); ${FOREVER}`)
  await line()

  await child.stop()
})

test('a stopped child is not started again', async t => {
  const { child, said } = run(t, 'process.exit(1)', [0, 10_000])
  await said()
  await said()

  await child.stop()
})

test('a child that exits because of its configuration is not started again', async t => {
  const misconfigured = Promise.withResolvers<void>()
  const { child, line, said } = run(t, "console.log('no such folder'); process.exit(78)", [0], misconfigured.resolve)

  assert.equal(await said(), 'Thing stopped: its settings or files are wrong. It is not started again')
  assert.equal(await line(), 'no such folder')
  await misconfigured.promise
  child.restart()
  assert.equal(await line(), 'no such folder')
})

test('a restart replaces a child at once, and does not count as a failure', async t => {
  const { child, line, said } = run(
    t,
    `console.log(process.pid); ${FOREVER} process.on('SIGTERM', () => process.exit(5))`,
  )
  const first = Number(await line())

  child.restart()
  child.restart()
  const second = Number(await line())

  assert.notEqual(second, first)
  assert.equal(isAlive(first), false)
  process.kill(second, 'SIGKILL')
  assert.match(await said(), /^Thing stopped \(SIGKILL\)/)
})

test('a restart kills a child that ignores signals', async t => {
  const { child, line } = run(t, `process.on('SIGTERM', () => {}); console.log(process.pid); ${FOREVER}`)
  const first = await line()

  child.restart()

  assert.notEqual(await line(), first)
})
