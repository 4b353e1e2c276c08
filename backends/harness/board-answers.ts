/** For tests: a Board's answers, and its broadcasts to the fake cable of {@link Boards}. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { afterEach } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { alike, type CardRow } from './board-page.ts'
import type { BoardAnswer, BoardProcess } from './board-process.ts'
import { type Boards, SECRET } from './every-board.ts'

/** The paths that forms are posted to. */
export const POSTS = ['/cards', '/cards/1/vote', '/cards/1/delete', '/clear']

/** The stream of the Board. */
export const STREAM = 'board/1'

export function isSentTo({ status, headers }: BoardAnswer, location: string): void {
  assert.deepEqual([status, headers.location], [303, location])
}

export function isRefused({ status, headers, body }: BoardAnswer, expected: number): void {
  assert.equal(status, expected)
  assert.match(headers['content-type']!, /^text\/plain/)
  assert.doesNotMatch(body, /Traceback|\.(py|php|rb|ts):\d+/)
}

/** The visitor in the page's token: 16 hex digits. */
export function visitorOf({ body }: Pick<BoardAnswer, 'body'>): string {
  const [, claims] = /<meta name="cable-token" content="[\w-]+\.([\w-]+)\./.exec(body)!
  return JSON.parse(JSON.parse(Buffer.from(claims!, 'base64url').toString()).ext).visitor
}

/** The value of each cookie that the answer sets; asserts the attributes that each must have. */
export function setCookies({ headers }: Pick<BoardAnswer, 'headers'>): Record<string, string> {
  const pairs = (headers['set-cookie'] ?? []).map(cookie => {
    const [pair, ...attributes] = cookie.split(/; */)
    assert.deepEqual(attributes.map(attribute => attribute.toLowerCase()).sort(), [
      'httponly',
      'max-age=31536000',
      'path=/',
      'samesite=lax',
    ])
    return pair!.split('=') as [string, string]
  })
  return Object.fromEntries(pairs)
}

export const hmac = (signed: string): Buffer => createHmac('sha256', SECRET).update(signed).digest()

/** Posts the bytes of a form unchanged. */
export const postRaw = (board: BoardProcess, body: string | Uint8Array): Promise<BoardAnswer> =>
  board.ask('/cards', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body })

/** Call it inside `eachBoard`: after each test the Board must still answer. */
export function staysAlive(board: () => BoardProcess): void {
  afterEach(async () => {
    assert.equal((await board().ask('/health')).body, 'ok', 'it is alive after the test')
  })
}

/** Inserts a card into the database, without the Boards. */
export const store = (
  { db }: Boards,
  { body, author = 'anonymous', backend = 'ruby', votes = 0 }: Partial<CardRow>,
): CardRow =>
  db
    .prepare('INSERT INTO cards (body, author, backend, votes) VALUES (?, ?, ?, ?) RETURNING *')
    .get(body!, author, backend, votes) as unknown as CardRow

/** Resolves when the cable has `count` broadcasts. (Some Boards broadcast after they answered.) */
export const announced = (boards: Boards, count: number): Promise<void> =>
  until(() => messages(boards).length >= count, `${count} broadcasts`)

/** Returns the HTML of each broadcast so far, and forgets them. */
export function takeBroadcasts(boards: Boards): string[] {
  const html = messages(boards).map(({ stream, data }) => {
    assert.equal(stream, STREAM)
    return alike(JSON.parse(data))
  })
  boards.cable.received.length = 0
  return html
}

/** Rails also broadcasts to streams that it names after a record. */
const messages = ({ cable }: Boards): { stream: string; data: string }[] =>
  cable.received.map(({ body }) => JSON.parse(body)).filter(({ stream }) => !/^Z2lkOi8v[\w:]+$/.test(stream))

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await holds()); await pause(20)) {
    assert.ok(performance.now() < deadline, what)
  }
}
