/** The routes of a Board, in every language: those of the contract and no others, each by its method, under any mount. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSentTo, POSTS, staysAlive } from '../../backends/harness/board-answers.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  const differs = differences(backend)
  staysAlive(board)

  test('a Board answers unknown routes with 404, other methods with 405', async () => {
    for (const path of [
      '/nowhere',
      '/cards/abc/vote',
      ...(differs.isFramework ? [] : ['/cards/1/vote/']),
      '/cards/-1/vote',
      '/cards/1',
      '/cards/1.5/delete',
      '/cards//vote',
    ]) {
      assert.equal((await board().post(path)).status, 404, path)
    }
    if (differs.isFramework) return // a framework answers them with 404 too
    for (const [method, path] of [
      ['POST', '/'],
      ['PUT', '/cards'],
      ['DELETE', '/'],
      ['POST', '/health'],
      ...POSTS.map(path => ['GET', path]),
    ] as [string, string][]) {
      const { status, headers } = await board().ask(path, { method })
      assert.deepEqual([method, path, status], [method, path, 405])
      assert.ok(
        headers.allow?.includes(POSTS.includes(path) ? 'POST' : 'GET'),
        `${method} ${path} allows ${headers.allow}`,
      )
    }
  })

  test('a Board answers HEAD as GET without the body', async () => {
    for (const path of ['/', '/health']) {
      const [got, head] = [await board().ask(path), await board().ask(path, { method: 'HEAD' })]
      assert.deepEqual([head.status, head.body], [200, ''])
      assert.equal(head.headers['content-type'], got.headers['content-type'])
    }
  })

  if (!differs.isOrigin) {
    test('redirects keep the mount prefix, and no other', async () => {
      for (const prefix of ['/python', '/a/b-c/D_9', '']) {
        isSentTo(await board().post('/cards', { body: 'x' }, { 'x-forwarded-prefix': prefix }), `${prefix}/`)
      }
      for (const evil of [
        '//evil.example',
        '/\\evil.example',
        'https://evil.example',
        '/a//b',
        '/a/',
        '/../x',
        '/a b',
        '/%2f',
        '/ü',
      ]) {
        isSentTo(await board().post('/cards/0/vote', {}, { 'x-forwarded-prefix': evil }), '/')
      }
    })
  }
})
