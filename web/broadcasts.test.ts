import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
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

/** Fails `times` times, then works. */
function setup(failures = 0) {
  const [sent, excluded, lines]: [string[], unknown[], string[]] = [[], [], []]
  const broadcasts = createBroadcasts({
    send: async (html, exclude) => {
      if (failures-- > 0) throw new Error('no answer')
      sent.push(html)
      excluded.push(exclude)
    },
    log: line => lines.push(line),
  })
  return { broadcasts, sent, excluded, lines }
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
  assert.match(sent[0]!, /<p class="body" dir="auto">&lt;script&gt;<\/p>/)
})

test('each verb excludes its author, and resolves with what the others got', async () => {
  const { broadcasts, sent, excluded } = setup()

  const answers = [
    await broadcasts.cardAdded(card, 'ada'),
    await broadcasts.cardVoted(card, 'bob'),
    await broadcasts.cardDeleted(7),
    await broadcasts.boardCleared('eve'),
  ]

  assert.deepEqual(excluded, ['ada', 'bob', undefined, 'eve'])
  assert.deepEqual(answers, sent)
})

test('the Board logs a broadcast that fails, and the form succeeds', async () => {
  const { broadcasts, sent, lines } = setup(1)

  assert.match(await broadcasts.cardDeleted(1), /card_1/)
  await broadcasts.cardDeleted(2)

  assert.deepEqual(lines, ['not broadcast: no answer'])
  assert.deepEqual(sent.length, 1)
})

test('the Board sends broadcasts in the order of their calls', async () => {
  const sent: string[] = []
  const send = async (html: string) => {
    if (sent.length === 0) await pause(20)
    sent.push(html)
  }
  const broadcasts = createBroadcasts({ send, log: () => {} })

  await Promise.all([broadcasts.cardDeleted(1), broadcasts.cardDeleted(2), broadcasts.cardDeleted(3)])
  await broadcasts.settled()

  assert.deepEqual(
    sent.map(html => /card_(\d)/.exec(html)?.[1]),
    ['1', '2', '3'],
  )
})
