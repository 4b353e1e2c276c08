import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../log.ts'
import { retained } from '../test/memory.ts'
import { open, startCable } from '../test/test-cable.ts'
import { type UnheardParts, withUnheardLogged } from './unheard.ts'

const DEV = ['--dev', '--public']

test('with --dev the log names the most similar stream once, and the number of its clients', async t => {
  const cable = await startCable(t, DEV)
  for (const stream of ['board/1', 'board/1', 'chat/lobby']) await (await cable.welcomed()).subscribe(open(stream))

  for (const stream of ['bord/1', 'board/1', 'bord/1']) await cable.broadcast(stream, 'x')

  const said = cable.lines.filter(line => line.includes('listen to this stream'))
  assert.equal(said.length, 1)
  assert.match(
    said[0]!,
    /WRN 0 clients listen to this stream; 2 listen to the one with the most similar name stream=bord\/1 similar=board\/1\n$/,
  )
})

test('with --dev the log names a stream without clients; without --dev it does not', async t => {
  const [dev, plain] = [await startCable(t, DEV), await startCable(t, DEV.slice(1))]

  for (const cable of [dev, plain]) await cable.broadcast('board/1', 'x')

  assert.match(dev.lines.join(''), /INF 0 clients listen to this stream stream=board\/1\n/)
  assert.doesNotMatch(plain.lines.join(''), /listen to this stream/)
})

test('the log skips a publication that repeats an id', () => {
  const hub: UnheardParts['hub'] = { hasListeners: () => false, listeners: () => [] }
  const lines: object[] = []
  const write = (fields: object) => void lines.push(fields)
  const log = { info: write, warn: write } as unknown as UnheardParts['log']
  const publish = withUnheardLogged(list => list.filter(({ id }) => id === 'new'), { hub, log, monotonic: () => 0 })

  publish(['old', 'new'].map(id => ({ stream: id, message: '1', transient: false, id })))

  assert.deepEqual(lines, [{ stream: 'new' }])
})

test('publications to many streams are a hundred lines in five minutes, each compared with 200 names at most', () => {
  const lines: object[] = []
  let [now, names] = [0, 0]
  const hub: UnheardParts['hub'] = {
    hasListeners: () => false,
    *listeners() {
      for (; ; names++) yield [`stream/${names}`, 1]
    },
  }
  const write = (fields: object) => void lines.push(fields)
  const log = { info: write, warn: write } as unknown as UnheardParts['log']
  const publish = withUnheardLogged(list => list, { hub, log, monotonic: () => now })
  const publishMany = () => {
    for (let at = 0; at < 1000; at++) publish([{ stream: `other/${at}`, message: '1', transient: false }])
  }

  publishMany()
  assert.deepEqual([lines.length, names <= 100 * 200], [100, true])
  publishMany()
  assert.equal(lines.length, 100)
  now += 5 * 60_000 + 1
  publishMany()
  assert.equal(lines.length, 200)
})

test('a hundred long names leave less than 200 KB', async () => {
  const hub: UnheardParts['hub'] = { hasListeners: () => false, listeners: () => [] }
  const log = createLog('error', 'text')

  const bytes = await retained(() => {
    const publish = withUnheardLogged(list => list, { hub, log, monotonic: () => 0 })
    for (let n = 0; n < 100; n++) publish([{ stream: `${n} ${'n'.repeat(1e5)}`, message: '1', transient: false }])
    return publish
  })

  assert.ok(bytes < 200e3, `${bytes} bytes`)
})
