/** The forms that a Board accepts, and the characters that it trims: ONE rule for all languages, in spite of their functions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRefused, isSentTo, postRaw, staysAlive } from '../../backends/harness/board-answers.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { within } from '../../backends/harness/within.ts'

const boards = startBoards()

const between = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at)

/** Unicode's White_Space, and the byte order mark, which JavaScript takes for a space. */
const BLANK = [
  ...between(0x09, 0x0d),
  ...[0x20, 0x85, 0xa0, 0x1680],
  ...between(0x2000, 0x200a),
  ...[0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff],
]

/** Characters that some language takes for a space, or that are invisible; here they are ordinary characters. */
const NOT_BLANK = [
  ...between(0x00, 0x08), // controls
  ...between(0x0e, 0x1f), // Python's spaces among them
  ...[0x7f, 0xad, 0x034f, 0x061c, 0x115f, 0x180e],
  ...between(0x200b, 0x200f), // zero width
  ...[0x202a, 0x2060, 0x2800, 0x3164, 0xfff9, 0xfffe, 0xe0020],
]

const name = (point: number): string => `U+${point.toString(16).toUpperCase().padStart(4, '0')}`

eachBoard(backend => {
  const board = () => boards.get(backend)
  const { isFramework } = differences(backend)
  staysAlive(board)

  test('the Board trims fields, takes the first of a repeated one, and names an empty author anonymous', async () => {
    await board().post('/cards', { body: '\u3000\u00a0 wide \n', author: ' \t' })
    if (!isFramework) {
      await postRaw(board(), 'body=first&author=x&body=second&author=y')
      await postRaw(board(), 'body=100%+sure+%zz')
    }
    await postRaw(board(), 'body=é') // raw bytes, as curl sends them
    await postRaw(board(), `body=${'%20'.repeat(9000)}x`)
    assert.deepEqual(
      boards.cards().map(({ body, author }) => [body, author]),
      [
        ['wide', 'anonymous'],
        ...(isFramework
          ? []
          : [
              ['first', 'x'],
              ['100% sure %zz', 'anonymous'],
            ]),
        ['é', 'anonymous'],
        ['x', 'anonymous'],
      ],
    )
  })

  test('the Board accepts 500 and 40 characters of any size, and not one more', async () => {
    isSentTo(await board().post('/cards', { body: '🎉'.repeat(500), author: 'é'.repeat(40) }), '/')
    isRefused(await board().post('/cards', { body: '🎉'.repeat(501) }), 422)
    isRefused(await board().post('/cards', { body: 'x', author: 'é'.repeat(41) }), 422)
    assert.equal(boards.cards().length, 1)
  })

  for (const [what, body] of [
    ['empty', ''],
    ['without a body', 'author=x'],
    ['with an empty body', 'body=&author=x'],
    ['with nothing but spaces', 'body=%20%09%E3%80%80%C2%A0+'],
    ['with an array', 'body[]=x&body[a]=y'],
    ['of nothing but separators', `${'&'.repeat(5000)}=${'='.repeat(5000)}`],
    ['with a body that is not UTF-8', 'body=%ff%fe'],
    ['with a raw body that is not UTF-8', Buffer.from('body=\xff', 'latin1')],
    ['with a lone surrogate as body', 'body=%ED%A0%80'],
    ['with an author that is not UTF-8', 'body=x&author=%C3'],
    ['that ends inside a character', 'body=%E3%80'],
  ] as const) {
    test(`the Board refuses a form ${what} in words, and changes nothing`, async () => {
      isRefused(await postRaw(board(), body), 422)
      assert.deepEqual([boards.cards(), boards.cable.received], [[], []])
    })
  }

  test('the Board refuses a form over 64 KiB, and the answer arrives', async () => {
    const fits = `body=x&rest=${'a'.repeat(65_536 - 12)}`
    isSentTo(await postRaw(board(), fits), '/')
    isRefused(await postRaw(board(), `${fits}a`), 413)
    isRefused(await postRaw(board(), `body=${'a'.repeat(900_000)}`), 413)
    assert.equal(boards.cards().length, 1)
  })

  test('the Board trims White_Space and U+FEFF, and refuses a card of nothing else', async () => {
    const [taken, kept]: string[][] = [[], []]
    for (const point of BLANK) {
      const blank = String.fromCodePoint(point)
      const { status } = await board().post('/cards', { body: blank })
      if (status !== 422) taken!.push(name(point))
      boards.db.exec('DELETE FROM cards')
      await board().post('/cards', { body: `${blank}a${blank}b${blank}`, author: `${blank}c${blank}` })
      const [card] = boards.cards()
      if (card?.body !== `a${blank}b` || card.author !== 'c') kept!.push(name(point))
      boards.db.exec('DELETE FROM cards')
    }

    assert.deepEqual({ taken, kept }, { taken: [], kept: [] })
  })

  test('the Board takes a card of any other character, and does not trim it', async () => {
    const wrong: string[] = []
    for (const point of NOT_BLANK) {
      const body = String.fromCodePoint(point)
      await board().post('/cards', { body })
      await board().post('/cards', { body: `${body}a${body}` })
      if (
        boards
          .cards()
          .map(card => card.body)
          .join() !== `${body},${body}a${body}`
      )
        wrong.push(name(point))
      boards.db.exec('DELETE FROM cards')
    }

    assert.deepEqual(wrong, [])
  })

  test('the Board refuses a long body of blanks in time', async () => {
    const { status } = await within(2000, () => board().post('/cards', { body: `a${' '.repeat(60_000)}b` }))

    assert.equal(status, 422)
  })

  for (const type of [
    'application/json',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/x-www-form-urlencodedx',
    'application/x-www-form-urlencoded, application/json',
    'x',
    '',
  ]) {
    for (const body of [
      '',
      'body=x',
      '{"body":"x"}',
      '{',
      '--x\r\nContent-Disposition: form-data; name="body"\r\n\r\nhello\r\n--x--\r\n',
    ]) {
      test(`the Board refuses a form of the type '${type}' in words: ${JSON.stringify(body.slice(0, 8))}`, async () => {
        const answer = await board().ask('/cards', { method: 'POST', headers: { 'content-type': type }, body })

        assert.equal(answer.status, 415)
        assert.match(answer.headers['content-type'] ?? '', /^text\/plain/)
        assert.match(answer.body, /application\/x-www-form-urlencoded/)
        assert.deepEqual(boards.cards(), [])
      })
    }
  }

  test('the Board refuses a form without a type', async () => {
    assert.equal((await board().ask('/cards', { method: 'POST', body: 'body=x' })).status, 415)
  })

  for (const type of [
    'application/x-www-form-urlencoded',
    'Application/X-WWW-Form-Urlencoded',
    'application/x-www-form-urlencoded;charset=UTF-8',
    'application/x-www-form-urlencoded ; charset="utf-8"',
  ]) {
    test(`the Board accepts a form of the type '${type}'`, async () => {
      const answer = await board().ask('/cards', { method: 'POST', headers: { 'content-type': type }, body: 'body=x' })

      assert.equal(answer.status, 303)
    })
  }

  test('the Board counts a vote with a body of any type', async () => {
    const { id } = boards.db
      .prepare("INSERT INTO cards (body, author, backend) VALUES ('x', 'y', 'php') RETURNING id")
      .get() as { id: number }

    for (const headers of [{}, { 'content-type': 'application/json' }] as Record<string, string>[]) {
      assert.equal((await board().ask(`/cards/${id}/vote`, { method: 'POST', headers, body: '{}' })).status, 303)
    }

    assert.equal(boards.cards()[0]?.votes, 2)
  })
})
