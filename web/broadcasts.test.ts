import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Card } from './board.ts'
import { boardCleared, cardAdded, cardDeleted, cardVoted, createBroadcasts } from './broadcasts.ts'

const card: Card = {
  id: 7,
  body: '<script>',
  author: 'Ada',
  backend: 'python',
  votes: 3,
  createdAt: '2026-07-01T12:34:56Z',
}

/** Fails `times` times, then works. */
function setup(failures = 0) {
  const [sent, excluded, lines]: [string[], unknown[], string[]] = [[], [], []]
  const broadcasts = createBroadcasts({
    post: async (html, exclude) => {
      if (failures-- > 0) throw new Error('no answer')
      sent.push(html)
      excluded.push(exclude)
    },
    log: line => lines.push(line),
  })
  return { broadcasts, sent, excluded, lines }
}

test('each change names its action and its target', () => {
  const sent = [cardAdded(card), cardVoted(card), cardDeleted(7), boardCleared()]

  const heads = sent.map(html => html.replace(/<template>.*<\/template>/, '…'))
  assert.deepEqual(heads, [
    '<turbo-stream action="append" target="cards">…</turbo-stream>',
    '<turbo-stream method="morph" action="replace" target="card_7">…</turbo-stream>',
    '<turbo-stream action="remove" target="card_7"></turbo-stream>',
    '<turbo-stream action="refresh"></turbo-stream>',
  ])
  assert.match(sent[0]!, /<p class="body" dir="auto">&lt;script&gt;<\/p>/)
})

test('a broadcast excludes its author', async () => {
  const { broadcasts, sent, excluded } = setup()

  await broadcasts.send('<one>', 'ada')
  await broadcasts.send('<two>')

  assert.deepEqual(
    [sent, excluded],
    [
      ['<one>', '<two>'],
      ['ada', undefined],
    ],
  )
})

test('the Board logs a broadcast that fails, and the form succeeds', async () => {
  const { broadcasts, sent, lines } = setup(1)

  await broadcasts.send('<one>')
  await broadcasts.send('<two>')

  assert.deepEqual(lines, ['not broadcast: no answer'])
  assert.deepEqual(sent, ['<two>'])
})

test('the Board sends broadcasts in the order of their calls', async () => {
  const sent: string[] = []
  const post = async (html: string) => {
    if (sent.length === 0) await pause(20)
    sent.push(html)
  }
  const broadcasts = createBroadcasts({ post, log: () => {} })

  await Promise.all([broadcasts.send('1'), broadcasts.send('2'), broadcasts.send('3')])
  await broadcasts.settled()

  assert.deepEqual(sent, ['1', '2', '3'])
})
