/**
 * A form's answer, in every language: Turbo gets the change as a stream, and the cable does not send it to that page again. A
 * plain browser gets a redirect to the page.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  announced,
  isRefused,
  isSentTo,
  STREAM,
  staysAlive,
  store,
  takeBroadcasts,
} from '../../backends/harness/board-answers.ts'
import { alike, card } from '../../backends/harness/board-page.ts'
import type { BoardAnswer } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { TURBO_STREAM } from '../../backends/typescript/hotcable.ts'

const boards = startBoards()

/** As Turbo sends it with a form. */
const TURBO = 'text/vnd.turbo-stream.html, text/html, application/xhtml+xml'
const SOCKET = 'V1StGXR8_Z5jdHi6B-myT'

const WANT: Record<string, string> = {
  'what Turbo sends': TURBO,
  'streams alone': 'text/vnd.turbo-stream.html',
  'streams after pages': 'text/html, */*;q=0.8, text/vnd.turbo-stream.html',
  'with parameters': 'text/html,text/vnd.turbo-stream.html;charset=utf-8;q=0.9',
  'in capitals': 'Text/VND.Turbo-Stream.HTML',
}
const DO_NOT_WANT: Record<string, string | undefined> = {
  nothing: undefined,
  'an empty header': '',
  'what a browser sends': 'text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8',
  'anything, as curl sends': '*/*',
  'any text': 'text/*',
  JSON: 'application/json',
  'a type that begins like it': 'text/vnd.turbo-stream.html5',
  'a type that ends like it': 'x-text/vnd.turbo-stream.html',
  'it in a parameter': 'text/html;a="x text/vnd.turbo-stream.html"',
}

eachBoard(backend => {
  const board = () => boards.get(backend)
  staysAlive(board)

  const post = (path: string, fields: Record<string, string>, accept: string | undefined, socket = SOCKET) =>
    board().post(path, fields, {
      ...(accept === undefined ? {} : { accept }),
      ...(socket === '' ? {} : { 'x-socket-id': socket }),
    })
  const byTurbo = (path: string, fields: Record<string, string> = {}) => post(path, fields, TURBO)

  for (const [what, accept] of Object.entries(WANT))
    test(`the Board answers a form by a stream where it is wanted: ${what}`, async () => {
      isStream(await post('/cards', { body: 'x' }, accept), added())
      await announced(boards, 1)
    })

  for (const [what, accept] of Object.entries(DO_NOT_WANT))
    test(`the Board sends a browser to the page if no stream is wanted: ${what}`, async () => {
      isSentTo(await post('/cards', { body: 'x' }, accept), '/')
      await announced(boards, 1)
      assert.equal(boards.cards().length, 1)
    })

  test('the Board answers each form by the stream that it broadcasts, byte by byte as a card is written', async () => {
    const answers = [await byTurbo('/cards', { body: `<b> & 'é'`, author: '"Ada"' })]
    isStream(answers[0]!, added())
    const { id } = boards.cards()[0]!
    answers.push(await byTurbo(`/cards/${id}/vote`))
    const voted = card(boards.cards()[0]!)
    isStream(
      answers[1]!,
      `<turbo-stream method="morph" action="replace" target="card_${id}"><template>${voted}</template></turbo-stream>`,
    )
    answers.push(await byTurbo(`/cards/${id}/delete`))
    isStream(answers[2]!, `<turbo-stream action="remove" target="card_${id}"></turbo-stream>`)
    answers.push(await byTurbo('/clear'))
    isStream(answers[3]!, '<turbo-stream action="refresh"></turbo-stream>')

    await announced(boards, 4)
    assert.deepEqual(
      answers.map(({ body }) => alike(body)),
      takeBroadcasts(boards),
    )
  })

  for (const [how, accept] of [
    ['by a stream', TURBO],
    ['by a redirect', undefined],
  ] as const)
    test(`the broadcast of each form that is answered ${how} excludes the page that sent it`, async () => {
      const { id } = store(boards, { body: 'x' })
      for (const path of ['/cards', `/cards/${id}/vote`, `/cards/${id}/delete`, '/clear'])
        await post(path, { body: 'x' }, accept)

      await announced(boards, 4)
      assert.deepEqual(excluded(), [SOCKET, SOCKET, SOCKET, SOCKET])
    })

  test('a broadcast reaches every page if the form names no socket, as with @hotwired/turbo-rails', async () => {
    isStream(await post('/cards', { body: 'x' }, TURBO, ''), added())

    await announced(boards, 1)
    assert.deepEqual(excluded(), [undefined])
  })

  test('a socket that is not UTF-8 fails neither the form nor the broadcast', async () => {
    const type = 'application/x-www-form-urlencoded'
    const headers = { accept: TURBO, 'content-type': type, 'x-socket-id': 'caf\xe9' }
    // (With a body of text the headers would be UTF-8, too.)
    isStream(await board().ask('/cards', { method: 'POST', headers, body: Buffer.from('body=x') }), added())

    await announced(boards, 1)
    assert.match(excluded()[0]!, /^caf[é\ufffd]$/)
  })

  test('a form about a missing card is sent to the page, which no longer has the card', async () => {
    for (const path of ['/cards/987654321/vote', '/cards/987654321/delete']) isSentTo(await byTurbo(path), '/')
    assert.deepEqual(boards.cable.received, [])
  })

  test('a refused form is answered in words, also to Turbo', async () => {
    isRefused(await byTurbo('/cards', { body: ' ' }), 422)
    assert.deepEqual([boards.cards(), boards.cable.received], [[], []])
  })

  // There the gem broadcasts in the background.
  if (differences(backend).broadcastsLater) return
  test('a form is answered by its stream while the cable refuses its broadcast', async () => {
    boards.cable.onBroadcast = () => 401
    isStream(await byTurbo('/cards', { body: 'x' }), added())
  })
})

const added = (): string =>
  `<turbo-stream action="append" target="cards"><template>${card(boards.cards()[0]!)}</template></turbo-stream>`

function isStream({ status, headers, body }: BoardAnswer, html: string): void {
  assert.deepEqual([status, headers['content-type'], alike(body)], [200, TURBO_STREAM, html])
}

const excluded = (): (string | undefined)[] =>
  boards.cable.received
    .map(({ body }) => JSON.parse(body))
    .filter(({ stream }) => stream === STREAM)
    .map(({ meta }) => meta?.exclude_socket)
