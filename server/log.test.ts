import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { createLog } from './log.ts'

function written(level: string, format: string, say: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  const out = new Writable({
    write(chunk, _, done) {
      text += chunk
      done()
    },
  })
  say(createLog(level, format, out))
  return text
}

test('text is one line per event, for people', () => {
  const text = written('info', 'text', log =>
    log.warn({ sid: 'abc', code: 'x', note: 'two words' }, 'something happened'),
  )

  assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WRN something happened sid=abc code=x note="two words"\n$/)
})

test('json is one object per line, for machines', () => {
  const { time, ...line } = JSON.parse(written('info', 'json', log => log.info({ sid: 'abc' }, 'a\nb')))

  assert.deepEqual(line, { level: 30, sid: 'abc', msg: 'a\nb' })
  assert.ok(Date.parse(time) > 0)
})

test('a newline in a message or a field does not begin another line', () => {
  const text = written('info', 'text', log => log.info({ origin: 'https://x\n2026 ERR forged' }, 'seen\nforged'))

  assert.equal(text.split('\n').length, 2)
})

test('what is below the level is not written', () => {
  assert.equal(
    written('warn', 'text', log => log.info('x')),
    '',
  )
})
