/** A cable that fails, is down or hangs, in every language: the page comes in time, and the Board stores the form and answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announced, isSentTo, staysAlive, until } from '../../backends/harness/board-answers.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { within } from '../../backends/harness/within.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  const { broadcastsLater } = differences(backend)
  staysAlive(board)

  test('a Board tries a failing broadcast three times, then logs it; the form succeeds', async () => {
    let tries = 0
    if (!broadcastsLater) {
      boards.cable.onBroadcast = () => (++tries < 3 ? 503 : 201)
      isSentTo(await board().post('/cards', { body: 'third time' }), '/')
      assert.deepEqual([tries, boards.cable.received.length], [3, 1])
    }

    tries = 0
    boards.cable.onBroadcast = () => {
      tries++
      return 500
    }
    const said = board().said().length
    isSentTo(await board().post('/clear'), '/')
    if (!broadcastsLater) assert.equal(tries, 3)
    await until(() => /500/.test(board().said().slice(said)), 'the log says why')
  })

  test('while the cable is down a page comes within 2 s, and the Board stores a form and answers', async t => {
    await boards.cable.die()
    t.after(() => broadcastsLater || boards.cable.live())
    const got = await within(2000, () => board().ask('/'))
    assert.match(got.body, /data-position="-"/)
    isSentTo(await within(3000, () => board().post('/cards', { body: 'stored' })), '/')
    assert.equal(boards.cards()[0]?.body, 'stored')
    if (broadcastsLater) {
      await boards.cable.live()
      await announced(boards, 1)
    }
  })

  test('while the cable hangs a page comes within 2 s, and the Board stores a form and answers within 3 s', async t => {
    boards.cable.hangs = true
    const got = await within(2000, () => board().ask('/'))
    assert.match(got.body, /data-position="-"/)
    const posted = await within(3000, () => board().post('/cards', { body: 'stored' }))
    isSentTo(posted, '/')
    assert.equal(boards.cards()[0]?.body, 'stored')
    t.diagnostic(`page ${Math.round(got.ms)} ms, form ${Math.round(posted.ms)} ms`)
    if (broadcastsLater) {
      boards.cable.reset()
      await announced(boards, 1)
    }
  })
})
