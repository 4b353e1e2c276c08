import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Card } from './board.ts'
import { createBroadcasts } from './broadcasts.ts'

const card: Card = {
  id: 7,
  body: '<script>',
  author: 'Ada',
  backend: 'python',
  votes: 3,
  createdAt: '2026-07-01T12:34:56Z',
}

/** Fails as often as told, then works. */
function setup(failures = 0) {
  const [sent, waited, lines]: [string[], number[], string[]] = [[], [], []]
  const broadcasts = createBroadcasts({
    send: async html => {
      if (failures-- > 0) throw new Error('nobody there')
      sent.push(html)
    },
    wait: async ms => void waited.push(ms),
    log: line => lines.push(line),
  })
  return { broadcasts, sent, waited, lines }
}

test('each verb names its action and its target', async () => {
  const { broadcasts, sent } = setup()

  await broadcasts.cardAdded(card)
  await broadcasts.cardVoted(card)
  await broadcasts.cardDeleted(7)
  await broadcasts.boardCleared()

  const heads = sent.map(html => html.replace(/<template>.*<\/template>/, '…'))
  assert.deepEqual(heads, [
    '<turbo-stream action="append" target="cards">…</turbo-stream>',
    '<turbo-stream method="morph" action="replace" target="card_7">…</turbo-stream>',
    '<turbo-stream action="remove" target="card_7"></turbo-stream>',
    '<turbo-stream action="refresh"></turbo-stream>',
  ])
  assert.match(sent[0]!, /<p class="body">&lt;script&gt;<\/p>/)
})

test('a broadcast that fails is tried again, after 0.1 s and 0.3 s', async () => {
  const { broadcasts, sent, waited, lines } = setup(2)

  await broadcasts.boardCleared()

  assert.equal(sent.length, 1)
  assert.deepEqual(waited, [100, 300])
  assert.deepEqual(lines, [])
})

test('after three tries it is logged, and the form goes on', async () => {
  const { broadcasts, sent, lines } = setup(3)

  await broadcasts.cardDeleted(1)
  await broadcasts.cardDeleted(2)

  assert.deepEqual(lines, ['broadcast lost after 3 tries: nobody there'])
  assert.deepEqual(sent.length, 1)
})

test('broadcasts go out in the order in which they were told', async () => {
  const { broadcasts, sent } = setup(1)

  await Promise.all([broadcasts.cardDeleted(1), broadcasts.cardDeleted(2), broadcasts.cardDeleted(3)])
  await broadcasts.settled()

  assert.deepEqual(
    sent.map(html => /card_(\d)/.exec(html)?.[1]),
    ['1', '2', '3'],
  )
})
