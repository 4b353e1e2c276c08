/** With HOTCABLE_OUTBOX every Board stores a broadcast in the transaction of its change, and a real cable publishes it. */
import assert from 'node:assert/strict'
import { beforeEach, type TestContext, test } from 'node:test'
import { isSentTo, STREAM, staysAlive, store, until } from '../../backends/harness/board-answers.ts'
import { alike } from '../../backends/harness/board-page.ts'
import { startBoard } from '../../backends/harness/board-process.ts'
import { BOARDS, eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { startCable } from '../../testing/cable.ts'
import { type Client, connect, type Frame } from '../../testing/client.ts'

const boards = startBoards({ outbox: true })
const IDENTIFIER = JSON.stringify({ channel: '$pubsub', stream_name: STREAM })

beforeEach(() => {
  boards.db.exec('DELETE FROM hotcable_outbox')
})

/** A cable that consumes the outbox, and a client that hears what it publishes. */
async function startConsumer(t: TestContext) {
  const flags = ['--noauth', '--public', '--http_broadcast_port=0', '--broadcast_adapter=http,outbox']
  const { child, url, stop } = await startCable(flags, { settings: { HOTCABLE_OUTBOX: boards.env.HOTCABLE_OUTBOX! } })
  t.after(() => {
    child.kill('SIGCONT')
    return stop()
  })
  const client = await connect(t, url)
  await client.welcomed()
  await client.confirmed(IDENTIFIER)
  return { child, client }
}

const html = ({ message }: Frame): string => alike(String(message))

interface Stored {
  readonly stream: string
  readonly html: string
  readonly exclude: string | undefined
}

/** The broadcasts in the table. (Rails also broadcasts to streams that it names after a record.) */
const stored = (): Stored[] =>
  boards.db
    .prepare('SELECT publication FROM hotcable_outbox ORDER BY id')
    .all()
    .map(({ publication }) => JSON.parse(String(publication)))
    .filter(({ stream }) => stream === STREAM)
    .map(({ stream, data, meta }) => ({ stream, html: alike(JSON.parse(data)), exclude: meta?.exclude_socket }))

eachBoard(backend => {
  const board = () => boards.get(backend)
  staysAlive(board)

  test('each change stores its broadcast for all pages but its own, and the Board POSTs nothing', async () => {
    const { id } = store(boards, { body: 'stored' })
    const turbo = { accept: 'text/vnd.turbo-stream.html', 'x-socket-id': 'page-1' }
    const answers: string[] = []
    for (const [path, fields] of [
      ['/cards', { body: '<added>' }],
      [`/cards/${id}/vote`],
      [`/cards/${id}/delete`],
      ['/clear'],
    ] as const) {
      const { status, body } = await board().post(path, fields, turbo)
      assert.equal(status, 200, body)
      answers.push(alike(body))
    }

    assert.deepEqual(
      stored(),
      answers.map(answer => ({ stream: STREAM, html: answer, exclude: 'page-1' })),
    )
    assert.deepEqual(boards.cable.received, [])
  })

  test('a vote for a card that is missing stores no broadcast', async () => {
    isSentTo(await board().post('/cards/1/vote'), '/')
    isSentTo(await board().post('/cards/1/delete'), '/')

    assert.deepEqual(stored(), [])
  })

  test('a change whose broadcast cannot be stored is not made', async t => {
    boards.db.exec('ALTER TABLE hotcable_outbox RENAME TO away')
    t.after(() => boards.db.exec('ALTER TABLE away RENAME TO hotcable_outbox'))

    assert.equal((await board().post('/cards', { body: 'half' })).status, 500)

    assert.deepEqual(boards.cards(), [])
    await until(() => /hotcable_outbox/.test(board().said()), 'the log names the table')
  })

  test('pages get the card of a Board that is killed between commit and broadcast', async t => {
    const { child, client } = await startConsumer(t)
    const killed = await startBoard(BOARDS[backend]!.board, boards.env)
    t.after(() => killed.stop('SIGKILL'))
    child.kill('SIGSTOP')

    isSentTo(await killed.post('/cards', { body: `the last of ${backend}` }), '/')
    await killed.stop('SIGKILL')
    assert.equal(stored().length, 1)
    child.kill('SIGCONT')

    assert.match(html(await client.next()), new RegExp(`the last of ${backend}`))
  })
})

/** The vote counts that the client gets, up to `last`. */
async function counts(client: Client, last: number): Promise<number[]> {
  const count = (frame: Frame) => Number(/class="votes">(\d+)</.exec(html(frame))?.[1])
  return (await client.until(frame => count(frame) === last)).map(count)
}

test('votes that visitors give at once in all languages arrive in the order of their commits', async t => {
  const { client } = await startConsumer(t)
  const { id } = store(boards, { body: 'popular' })
  const each = 10
  const all = each * boards.running.size

  const votes = [...boards.running.values()].flatMap(board =>
    Array.from({ length: each }, () => board.post(`/cards/${id}/vote`)),
  )
  for (const answer of await Promise.all(votes)) isSentTo(answer, '/')

  assert.deepEqual(
    await counts(client, all),
    Array.from({ length: all }, (_, at) => at + 1),
  )
  assert.equal(boards.cards()[0]!.votes, all)
})
