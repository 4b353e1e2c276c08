/**
 * Another site may not change the Board through a visitor's browser. Browsers send Sec-Fetch-Site only to https and to
 * localhost; a phone that opens http://192.168.1.5:3000 sends only Origin. ONE table for every Board, alone and mounted by
 * web.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isRefused, isSentTo, POSTS, staysAlive, store } from '../../backends/harness/board-answers.ts'
import type { BoardProcess } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

interface Sent {
  site?: string
  origin?: string
  host?: string
  forwarded?: string
}

const PASS: Record<string, Sent> = {
  'no browser: neither header': {},
  'the same origin': { site: 'same-origin' },
  'the same site': { site: 'same-site' },
  'the user, by hand': { site: 'none' },
  'Sec-Fetch-Site decides where it is sent': { site: 'same-origin', origin: 'http://other.test' },
  'Sec-Fetch-Site decides about Origin: null': { site: 'same-origin', origin: 'null' },
  'the host of the request': { origin: 'http://lan.test:3000', host: 'lan.test:3000' },
  'the host of the request, over https': { origin: 'https://lan.test', host: 'lan.test' },
  'a proxy that drops the port of Host': { origin: 'http://lan.test:3000', host: 'lan.test' },
  'a port that the browser does not write': { origin: 'http://lan.test', host: 'lan.test:80' },
  'another case': { origin: 'HTTP://Lan.Test:3000', host: 'lAN.tEST:3000' },
  'a trailing dot, which some proxies drop': { origin: 'http://lan.test.:3000', host: 'lan.test:3000' },
  'a trailing dot in Host': { origin: 'http://lan.test', host: 'lan.test.' },
  'an IPv4 address': { origin: 'http://192.168.1.5:3000', host: '192.168.1.5:3000' },
  'an IPv6 address': { origin: 'http://[fe80::1]:3000', host: '[FE80::1]:3000' },
  'an IPv6 address without a port': { origin: 'http://[fe80::1]', host: '[fe80::1]' },
  'the host of the request to the proxy': { origin: 'http://lan.test', host: '127.0.0.1:3001', forwarded: 'lan.test' },
  'the first of several proxies': { origin: 'http://lan.test', host: 'b.test', forwarded: 'lan.test, b.test' },
  'an empty X-Forwarded-Host': { origin: 'http://lan.test', host: 'lan.test', forwarded: '' },
}

const REFUSE: Record<string, Sent> = {
  'another site': { site: 'cross-site' },
  'another site that has our Origin': { site: 'cross-site', origin: 'http://lan.test', host: 'lan.test' },
  'an unknown Sec-Fetch-Site, so Origin decides': { site: 'x', origin: 'http://other.test', host: 'lan.test' },
  'another host': { origin: 'http://other.test', host: 'lan.test:3000' },
  'another port': { origin: 'http://lan.test:3001', host: 'lan.test:3000' },
  'a host below ours': { origin: 'http://x.lan.test', host: 'lan.test' },
  'a host above ours': { origin: 'http://test', host: 'lan.test' },
  'a host that begins like ours': { origin: 'http://lan.test.other.test', host: 'lan.test' },
  'a host that ends like ours': { origin: 'http://otherlan.test', host: 'lan.test' },
  'another IPv6 address': { origin: 'http://[fe80::2]:3000', host: '[fe80::1]:3000' },
  'the host behind the proxy': { origin: 'http://127.0.0.1:3001', host: '127.0.0.1:3001', forwarded: 'lan.test' },
  'an Origin that is hidden': { origin: 'null', host: 'lan.test' },
  'an empty Origin': { origin: '', host: 'lan.test' },
  'an Origin with a path': { origin: 'http://lan.test/', host: 'lan.test' },
  'an Origin with a user': { origin: 'http://lan.test@other.test', host: 'lan.test' },
  'our host as a user': { origin: 'http://lan.test:3000@other.test', host: 'lan.test:3000' },
  'two Origins': { origin: 'http://lan.test, http://other.test', host: 'lan.test' },
  'an Origin without a scheme': { origin: 'lan.test', host: 'lan.test' },
  'another scheme': { origin: 'chrome-extension://lan.test', host: 'lan.test' },
  'a file': { origin: 'file://', host: 'lan.test' },
  'a port that is not a number': { origin: 'http://lan.test:x', host: 'lan.test' },
  'an Origin that is not text': { origin: 'http://lan.test\xff', host: 'lan.test' },
}

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  staysAlive(board)

  test('the Board refuses a POST from another site to any route, and accepts a POST from its site', async () => {
    store(boards, { body: 'stays' })
    for (const path of POSTS)
      isRefused(await board().post(path, { body: 'x' }, { 'sec-fetch-site': 'cross-site' }), 403)
    assert.equal(boards.cards().length, 1)
    for (const site of ['same-origin', 'same-site', 'none']) {
      isSentTo(await board().post('/cards', { body: site }, { 'sec-fetch-site': site }), '/')
    }
  })

  tests(board, '')
  if (!differences(backend).isOrigin)
    describe('mounted by web', () => tests(() => boards.get('typescript'), `/${backend}`))
})

function tests(board: () => BoardProcess, mount: string): void {
  for (const [what, sent] of Object.entries(PASS)) {
    test(`the Board accepts a form: ${what}`, async () => {
      const { status, body } = await board().post(`${mount}/cards`, { body: 'x' }, headers(sent))

      assert.equal(status, 303, body)
      assert.equal(boards.cards().length, 1)
    })
  }

  for (const [what, sent] of Object.entries(REFUSE)) {
    test(`the Board refuses a form: ${what}`, async () => {
      const answer = await board().post(`${mount}/cards`, { body: 'x' }, headers(sent))

      assert.equal(answer.status, 403)
      assert.match(answer.headers['content-type'] ?? '', /^text\/plain/)
      if (sent.origin === 'null') assert.match(answer.body, /Origin: null/)
      assert.deepEqual(boards.cards(), [])
    })
  }
}

const headers = ({ site, origin, host, forwarded }: Sent): Record<string, string> => ({
  ...(site === undefined ? {} : { 'sec-fetch-site': site }),
  ...(origin === undefined ? {} : { origin }),
  ...(host === undefined ? {} : { host }),
  ...(forwarded === undefined ? {} : { 'x-forwarded-host': forwarded }),
})
