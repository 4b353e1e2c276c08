/** The broadcasts of a Board, in every language: each change once, after its commit, with the key and the bytes of the contract. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { announced, isSentTo, STREAM, staysAlive, takeBroadcasts } from '../../backends/harness/board-answers.ts'
import { type CardRow, card } from '../../backends/harness/board-page.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, SECRET, startBoards } from '../../backends/harness/every-board.ts'
import type { Received } from '../../backends/harness/fake-cable.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  const differs = differences(backend)
  staysAlive(board)

  test('a Board commits each change, then broadcasts it, and redirects the browser', async () => {
    const seen: CardRow[][] = []
    boards.cable.onBroadcast = stream => {
      if (stream === STREAM) seen.push(boards.cards())
      return 201
    }
    isSentTo(await board().post('/cards', { body: ' Hello ', author: ' Ada ' }), '/')
    await announced(boards, 1)
    const [added] = boards.cards()
    assert.deepEqual(
      { ...added, id: 0, created_at: '' },
      { id: 0, body: 'Hello', author: 'Ada', backend, votes: 0, created_at: '' },
    )
    assert.match(added!.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    isSentTo(await board().post(`/cards/${added!.id}/vote`), '/')
    await announced(boards, 2)
    const [voted] = boards.cards()
    assert.equal(voted!.votes, 1)
    isSentTo(await board().post(`/cards/${added!.id}/delete`), '/')
    await announced(boards, 3)
    isSentTo(await board().post('/clear'), '/')
    await announced(boards, 4)

    const target = `target="card_${added!.id}"`
    assert.deepEqual(takeBroadcasts(boards), [
      `<turbo-stream action="append" target="cards"><template>${card(added!)}</template></turbo-stream>`,
      `<turbo-stream method="morph" action="replace" ${target}><template>${card(voted!)}</template></turbo-stream>`,
      `<turbo-stream action="remove" ${target}></turbo-stream>`,
      '<turbo-stream action="refresh"></turbo-stream>',
    ])
    assert.deepEqual(seen, [[added], [voted], [], []])
  })

  test('a broadcast carries the derived key and canonical JSON', async () => {
    await board().post('/cards', { body: 'é/"' })
    await announced(boards, 1)
    const [{ authorization, contentType, body }] = boards.cable.received as [Received]
    assert.equal(authorization, `Bearer ${createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')}`)
    assert.match(contentType!, /^application\/json/)
    const { data, meta } = JSON.parse(body)
    if (differs.isFramework) return assert.deepEqual(Object.keys(JSON.parse(body)), ['stream', 'data']) // with \u003c in them
    assert.equal(body, JSON.stringify({ stream: STREAM, data: JSON.stringify(JSON.parse(data)), meta }))
  })

  test('a Board answers a vote for or a deletion of a missing card, and broadcasts nothing', async () => {
    for (const id of ['987654321', '0', '99999999999999999999', '9'.repeat(400)]) {
      isSentTo(await board().post(`/cards/${id}/vote`), '/')
      isSentTo(await board().post(`/cards/${id}/delete`), '/')
    }
    assert.deepEqual(boards.cable.received, [])
  })
})
