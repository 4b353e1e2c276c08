/**
 * The Board, the same in every language: each is started for real on one SQLite file and one fake cable, and held to
 * README.md, the contract. A language that is not installed is skipped aloud; with CI=true that is a failure.
 *
 * Rails, an extra that is always skipped where its gems are missing, is held to the same page and the same broadcasts. How forms
 * and routes are read is Rails' own there, and how a broadcast is sent AnyCable's gem's: `if (!own)`.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { alike, type Card, card, NAMES, page } from '../../backends/harness/board-page.ts'
import { type Answer, type BoardProcess, startBoard } from '../../backends/harness/board-process.ts'
import { BOARDS, eachBoard, SECRET, startBoards } from '../../backends/harness/every-board.ts'
import type { FakeCable } from '../../backends/harness/fake-cable.ts'
import { within } from '../../backends/harness/within.ts'

const POSTS = ['/cards', '/cards/1/vote', '/cards/1/delete', '/clear']
const boards = startBoards()
const { running, cards } = boards

eachBoard(backend => {
  let board: BoardProcess
  const own = backend === 'rails'

  beforeEach(() => {
    board = running.get(backend)!
  })
  afterEach(async () => {
    assert.equal((await board.ask('/health')).body, 'ok', 'it is alive after the test')
  })

  test('the page is the contract, to the letter: empty, with one card, with several', async () => {
    await isThePage(await board.ask('/'))
    store({ body: 'one' })
    await isThePage(await board.ask('/'))
    for (const other of Object.keys(NAMES)) store({ body: `by ${other}`, backend: other, votes: 12 })
    await isThePage(await board.ask('/?client=rails'), { client: 'rails' })
  })

  test('what people typed is escaped, on the page and in the stream', async () => {
    const typed = { body: `</li><script>alert("1")</script> & 'x' 日本 🎉`, author: "\"><b onclick='x'>" }
    await board.post('/cards', typed)

    const [stored] = cards()
    assert.deepEqual([stored!.body, stored!.author], [typed.body, typed.author])
    await isThePage(await board.ask('/'))
    await announced(1)
    assert.deepEqual(broadcasts(), [
      `<turbo-stream action="append" target="cards"><template>${card(stored!)}</template></turbo-stream>`,
    ])
  })

  test('the position is asked for once, before the data is read', async () => {
    const asked: (string | null)[] = []
    boards.cable.onPosition = stream => {
      asked.push(stream)
      store({ body: `written while ${stream} was asked for` })
      return '41/a-b_C'
    }
    const { body } = await board.ask('/')
    assert.deepEqual(asked, ['board/1'])
    assert.match(body, /written while board\/1 was asked for/)
    assert.match(body, /data-position="41\/a-b_C"/)
  })

  test('each change is committed, then broadcast, and the browser is sent back', async () => {
    const seen: Card[][] = []
    boards.cable.onBroadcast = stream => {
      if (stream === STREAM) seen.push(cards())
      return 201
    }
    isSentTo(await board.post('/cards', { body: ' Hello ', author: ' Ada ' }), '/')
    await announced(1)
    const [added] = cards()
    assert.deepEqual(
      { ...added, id: 0, created_at: '' },
      { id: 0, body: 'Hello', author: 'Ada', backend, votes: 0, created_at: '' },
    )
    assert.match(added!.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    isSentTo(await board.post(`/cards/${added!.id}/vote`), '/')
    await announced(2)
    const [voted] = cards()
    assert.equal(voted!.votes, 1)
    isSentTo(await board.post(`/cards/${added!.id}/delete`), '/')
    await announced(3)
    isSentTo(await board.post('/clear'), '/')
    await announced(4)

    const target = `target="card_${added!.id}"`
    assert.deepEqual(broadcasts(), [
      `<turbo-stream action="append" target="cards"><template>${card(added!)}</template></turbo-stream>`,
      `<turbo-stream method="morph" action="replace" ${target}><template>${card(voted!)}</template></turbo-stream>`,
      `<turbo-stream action="remove" ${target}></turbo-stream>`,
      '<turbo-stream action="refresh"></turbo-stream>',
    ])
    assert.deepEqual(seen, [[added], [voted], [], []])
  })

  test('a broadcast carries the derived key and canonical JSON', async () => {
    await board.post('/cards', { body: 'é/"' })
    await announced(1)
    const [{ authorization, contentType, body }] = boards.cable.received as [FakeCable['received'][0]]
    assert.equal(authorization, `Bearer ${createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')}`)
    assert.match(contentType!, /^application\/json/)
    const { data } = JSON.parse(body)
    const canonical = JSON.stringify({ stream: STREAM, data: JSON.stringify(JSON.parse(data)) })
    if (own)
      assert.deepEqual(Object.keys(JSON.parse(body)), ['stream', 'data']) // and \u003c in them
    else assert.equal(body, canonical)
  })

  test('fields are trimmed, of a repeated one the first counts, and an empty author is anonymous', async () => {
    await board.post('/cards', { body: '\u3000\u00a0 wide \n', author: ' \t' })
    if (!own) {
      await raw('body=first&author=x&body=second&author=y')
      await raw('body=100%+sure+%zz')
    }
    await raw('body=é') // bytes as they are, as curl sends them
    await raw(`body=${'%20'.repeat(9000)}x`)
    assert.deepEqual(
      cards().map(({ body, author }) => [body, author]),
      [
        ['wide', 'anonymous'],
        ...(own
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

  test('500 and 40 characters are taken, whatever their size; one more is not', async () => {
    isSentTo(await board.post('/cards', { body: '🎉'.repeat(500), author: 'é'.repeat(40) }), '/')
    isRefused(await board.post('/cards', { body: '🎉'.repeat(501) }), 422)
    isRefused(await board.post('/cards', { body: 'x', author: 'é'.repeat(41) }), 422)
    assert.equal(cards().length, 1)
  })

  for (const [what, body] of [
    ['empty', ''],
    ['without a body', 'author=x'],
    ['with an empty body', 'body=&author=x'],
    ['with nothing but spaces', 'body=%20%09%E3%80%80%C2%A0+'],
    ['with an array', 'body[]=x&body[a]=y'],
    ['of nothing but separators', `${'&'.repeat(5000)}=${'='.repeat(5000)}`],
    ['whose body is not UTF-8', 'body=%ff%fe'],
    ['whose body is not UTF-8, raw', Buffer.from('body=\xff', 'latin1')],
    ['whose body is a lone surrogate', 'body=%ED%A0%80'],
    ['whose author is not UTF-8', 'body=x&author=%C3'],
    ['that ends inside a character', 'body=%E3%80'],
  ] as const) {
    test(`a form ${what} is refused in words, and changes nothing`, async () => {
      isRefused(await raw(body), 422)
      assert.deepEqual([cards(), boards.cable.received], [[], []])
    })
  }

  test('a form over 64 KiB is refused, and the answer arrives', async () => {
    const fits = `body=x&rest=${'a'.repeat(65_536 - 12)}`
    isSentTo(await raw(fits), '/')
    isRefused(await raw(`${fits}a`), 413)
    isRefused(await raw(`body=${'a'.repeat(900_000)}`), 413)
    assert.equal(cards().length, 1)
  })

  test('a card that is gone, or an id that no card can have, is no error and no news', async () => {
    for (const id of ['987654321', '0', '99999999999999999999', '9'.repeat(400)]) {
      isSentTo(await board.post(`/cards/${id}/vote`), '/')
      isSentTo(await board.post(`/cards/${id}/delete`), '/')
    }
    assert.deepEqual(boards.cable.received, [])
  })

  test('unknown routes are 404, other methods 405', async () => {
    for (const path of [
      '/nowhere',
      '/cards/abc/vote',
      ...(own ? [] : ['/cards/1/vote/']),
      '/cards/-1/vote',
      '/cards/1',
      '/cards/1.5/delete',
      '/cards//vote',
    ]) {
      assert.equal((await board.post(path)).status, 404, path)
    }
    if (own) return // they are 404 as well
    for (const [method, path] of [
      ['POST', '/'],
      ['PUT', '/cards'],
      ['DELETE', '/'],
      ['POST', '/health'],
      ...POSTS.map(path => ['GET', path]),
    ] as [string, string][]) {
      const { status, headers } = await board.ask(path, { method })
      assert.deepEqual([method, path, status], [method, path, 405])
      assert.ok(
        headers.allow?.includes(POSTS.includes(path) ? 'POST' : 'GET'),
        `${method} ${path} allows ${headers.allow}`,
      )
    }
  })

  test('HEAD is GET without the body', async () => {
    for (const path of ['/', '/health']) {
      const [got, head] = [await board.ask(path), await board.ask(path, { method: 'HEAD' })]
      assert.deepEqual([head.status, head.body], [200, ''])
      assert.equal(head.headers['content-type'], got.headers['content-type'])
    }
  })

  test('a POST from another site is refused, whatever the route; others are not', async () => {
    store({ body: 'stays' })
    for (const path of POSTS) isRefused(await board.post(path, { body: 'x' }, { 'sec-fetch-site': 'cross-site' }), 403)
    assert.equal(cards().length, 1)
    for (const site of ['same-origin', 'same-site', 'none']) {
      isSentTo(await board.post('/cards', { body: site }, { 'sec-fetch-site': site }), '/')
    }
  })

  // Web is the origin itself, and is never mounted under a prefix.
  if (backend !== 'typescript') {
    test('redirects keep the mount prefix, and no other', async () => {
      for (const prefix of ['/python', '/a/b-c/D_9', '']) {
        isSentTo(await board.post('/cards', { body: 'x' }, { 'x-forwarded-prefix': prefix }), `${prefix}/`)
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
        isSentTo(await board.post('/cards/0/vote', {}, { 'x-forwarded-prefix': evil }), '/')
      }
    })
  }

  test('a visitor is known by 16 hex digits in a cookie; anything else is replaced', async () => {
    const kept = await board.ask('/', { headers: { cookie: 'a=b; visitor=0123456789abcdef; c=d' } })
    assert.deepEqual([visitor(kept), kept.headers['set-cookie']], ['0123456789abcdef', undefined])
    for (const cookie of [
      '',
      'visitor=',
      'visitor=0123456789ABCDEF',
      'visitor=0123456789abcdef0',
      'visitor="><b>',
      'xvisitor=0123456789abcdef',
      ';;=;',
    ]) {
      const answer = await board.ask('/', { headers: { cookie } })
      assert.match(visitor(answer), /^[0-9a-f]{16}$/)
      assert.equal(setCookies(answer).visitor, visitor(answer), cookie)
    }
  })

  test('the client script is chosen by ?client=, kept in a cookie, and is one of two', async () => {
    const asked = async (path: string, cookie = 'visitor=0123456789abcdef') => {
      const answer = await board.ask(path, { headers: { cookie } })
      return [/src="\/assets\/(\w+)(?:-gem)?\.js"/.exec(answer.body)?.[1], setCookies(answer).client]
    }
    const with_ = (client: string) => `visitor=0123456789abcdef; client=${client}`
    assert.deepEqual(await asked('/'), ['anycable', undefined])
    assert.deepEqual(await asked('/?client=rails'), ['rails', 'rails'])
    assert.deepEqual(await asked('/?a=b&client=anycable', with_('rails')), ['anycable', 'anycable'])
    assert.deepEqual(await asked('/', with_('rails')), ['rails', undefined])
    for (const evil of ['../evil', '%22%3E%3Cscript%3E', '', '%ff', 'RAILS']) {
      if (own && evil === '%ff') isRefused(await board.ask('/?client=%ff'), 422)
      else assert.deepEqual(await asked(`/?client=${evil}`, with_('rails')), ['rails', undefined])
      assert.deepEqual(await asked('/', with_(evil)), ['anycable', undefined])
    }
  })

  for (const [headers, url] of [
    [{ host: 'board.example:3000' }, 'ws://board.example:3000/cable'],
    [{ host: 'a', 'x-forwarded-host': 'b.example' }, 'ws://b.example/cable'],
    [{ host: 'a', 'x-forwarded-host': 'b.example, c.example' }, 'ws://b.example/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'https, http' }, 'wss://a/cable'],
    [{ host: 'a', 'x-forwarded-proto': 'http, https' }, 'ws://a/cable'],
    [{ host: '[::1]:3000' }, 'ws://[::1]:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000, 80' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '65535', 'x-forwarded-proto': 'https' }, 'wss://a:65535/cable'],
    [{ host: 'a', 'x-forwarded-port': '3000', 'x-forwarded-host': 'b.example' }, 'ws://b.example:3000/cable'],
    [{ host: '[::1]', 'x-forwarded-port': '3000' }, 'ws://[::1]:3000/cable'],
    [{ host: 'a:3000', 'x-forwarded-port': '4000' }, 'ws://a:3000/cable'],
    [{ host: 'a', 'x-forwarded-port': '80' }, 'ws://a/cable'],
    [{ host: 'a', 'x-forwarded-port': '443', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    // Something before this proxy ends TLS: its port is that of the last hop.
    [{ host: 'a', 'x-forwarded-port': '80', 'x-forwarded-proto': 'https' }, 'wss://a/cable'],
    ...['', '0', '08', '65536', '99999', '-1', '+1', '1.5', '0x50', '3000 x', '"><b>', '\xff', '/', '３０００'].map(
      port => [{ host: 'a', 'x-forwarded-port': Buffer.from(port).toString('latin1') }, 'ws://a/cable'],
    ),
  ] as [Record<string, string>, string][]) {
    test(`the cable is at ${url} for ${JSON.stringify(headers)}`, async () => {
      const { body } = await board.ask('/', { headers })
      assert.match(body, new RegExp(`<meta name="cable-url" content="${url.replaceAll(/[[\]]/g, '\\$&')}">`))
    })
  }

  test('an invalid host does no harm', async () => {
    for (const host of ['"><script>alert(1)</script>', 'a/b?c=d&e', "'x'", '\xff\xfe']) {
      const { status, body } = await board.ask('/', { headers: { host: 'a', 'x-forwarded-host': host } })
      assert.equal(status, 200)
      assert.doesNotMatch(body, /<script>|content="[^"]*&e/)
    }
  })

  test('a broadcast that fails is tried three times, then logged; the form succeeds', async () => {
    let tries = own ? 3 : 0
    if (!own) {
      boards.cable.onBroadcast = () => (++tries < 3 ? 503 : 201)
      isSentTo(await board.post('/cards', { body: 'third time' }), '/')
      assert.deepEqual([tries, boards.cable.received.length], [3, 1])
    }

    boards.cable.onBroadcast = () => {
      tries++
      return 500
    }
    const said = board.said().length
    isSentTo(await board.post('/clear'), '/')
    if (!own) assert.equal(tries, 6)
    await until(() => /500/.test(board.said().slice(said)), 'the log says why')
  })

  test('with the cable dead a page comes within 2 s, and a form is stored and answered', async t => {
    await boards.cable.die()
    t.after(() => own || boards.cable.live())
    const got = await within(2000, () => board.ask('/'))
    assert.match(got.body, /data-position="-"/)
    isSentTo(await within(3000, () => board.post('/cards', { body: 'stored' })), '/')
    assert.equal(cards()[0]?.body, 'stored')
    if (own) {
      await boards.cable.live()
      await announced(1) // AnyCable's gem goes on trying
    }
  })

  test('with a cable that hangs a page comes within 2 s, and a form is stored and answered within 3 s', async t => {
    boards.cable.hangs = true
    const got = await within(2000, () => board.ask('/'))
    assert.match(got.body, /data-position="-"/)
    const posted = await within(3000, () => board.post('/cards', { body: 'stored' }))
    isSentTo(posted, '/')
    assert.equal(cards()[0]?.body, 'stored')
    t.diagnostic(`page ${Math.round(got.ms)} ms, form ${Math.round(posted.ms)} ms`)
    if (own) {
      boards.cable.reset()
      await announced(1)
    }
  })

  test('bytes that are not a request are answered or closed, and no other client notices', async () => {
    const form = (length: string) =>
      `POST /cards HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\nbody=hello12`
    for (const length of ['abc', '-5', '+5', '0x10', '', '12, 12', '99999999999999999999']) {
      const answered = await board.raw(form(length), 1000)
      assert.match(answered, /^$|^HTTP\/1.[01] 4\d\d /, `Content-Length: ${length}`)
    }
    for (const bytes of [
      '\x16\x03\x01\x02\0',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ]) {
      assert.doesNotMatch(await board.raw(bytes, 1000), /^HTTP\/1.[01] 500|Traceback|\.(py|php|rb|ts):\d+/)
    }
    assert.deepEqual(cards(), [])
  })

  test('a client that never finishes its form delays no other client', async t => {
    for (let i = 0; i < 8; i++) {
      const socket = connect(board.port, '127.0.0.1').on('error', () => {})
      socket.write('POST /cards HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbody=')
      t.after(() => socket.destroy())
    }
    await within(2000, () => board.ask('/'))
    assert.deepEqual(cards(), [])
  })

  async function isThePage({ status, headers, body }: Answer, { client = 'anycable' as const as Client } = {}) {
    assert.equal(status, 200)
    assert.match(headers['content-type']!, /^text\/html; ?charset=utf-8$/i)
    assert.equal(headers['cache-control'], 'no-store')
    const version = /<small>([^<]*\d+\.\d+[^<]*)<\/small>/.exec(body)?.[1]
    assert.ok(version, 'the page says its version')
    const token = isToken(/<meta name="cable-token" content="([^"]+)"/.exec(body)?.[1] ?? '', headers)
    const at = `ws://127.0.0.1:${board.port}/cable`
    const metaTags = [
      `<meta name="action-cable-url" content="${own ? '/cable' : at}?jid=${token}">`,
      `<meta name="cable-url" content="${at}">`,
      `<meta name="cable-token" content="${token}">`,
    ].join('\n')
    assert.equal(alike(body), page({ backend, version, client, metaTags, streamFrom: STREAM_FROM, cards: cards() }))
  }

  const raw = (body: string | Uint8Array) =>
    board.ask('/cards', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body })
})

describe('the boards together', () => {
  test('cards posted at once in all languages are all stored, and all are announced', async () => {
    const each = 20
    await Promise.all(
      [...running].flatMap(([backend, board]) =>
        Array.from({ length: each }, async (_, i) =>
          isSentTo(await board.post('/cards', { body: `${backend} ${i}` }), '/'),
        ),
      ),
    )
    assert.equal(cards().length, each * running.size)
    await announced(each * running.size)
    assert.equal(new Set(broadcasts()).size, each * running.size)
  })

  test('votes given at once in all languages are all counted', async () => {
    const { id } = store({ body: 'popular' })
    await Promise.all(
      [...running.values()].flatMap(board => Array.from({ length: 10 }, () => board.post(`/cards/${id}/vote`))),
    )
    assert.equal(cards()[0]!.votes, 10 * running.size)
  })

  test('a card looks the same on the pages of all languages', async () => {
    for (const [backend, board] of running) await board.post('/cards', { body: `<${backend}> & 'co'`, author: '"' })
    const lists = await Promise.all(
      [...running.values()].map(async board =>
        alike(/<ol id="cards">[\s\S]*<\/ol>/.exec((await board.ask('/')).body)![0]),
      ),
    )
    assert.equal(new Set(lists).size, 1)
  })

  test('web and the Boards that it mounts find the cable at the same place', async () => {
    const web = boards.get('typescript')
    for (const headers of [
      { host: 'a', 'x-forwarded-port': '3000', 'x-forwarded-proto': 'https' },
      { host: 'a:3000', 'x-forwarded-port': '4000' },
      { host: 'a', 'x-forwarded-host': 'b.example', 'x-forwarded-port': '3000, 80' },
      { host: 'a', 'x-forwarded-host': '"><b>', 'x-forwarded-port': '"><b>' },
    ] as Record<string, string>[]) {
      const urls = [...running.keys()].map(async backend => {
        const { body } = await web.ask(backend === 'typescript' ? '/' : `/${backend}/`, { headers })
        return /<meta name="cable-url" content="([^"]*)"/.exec(body)?.[1]
      })
      const [first, ...others] = await Promise.all(urls)
      assert.match(first ?? '', /^wss?:/)
      assert.deepEqual(others, Array(running.size - 1).fill(first), JSON.stringify(headers))
    }
  })

  test('settings come from the environment: the cable, the assets, a broadcast key of its own', async t => {
    const own = {
      ANYCABLE_WEBSOCKET_URL: 'wss://cable.example/cable?a=b',
      HOTCABLE_ASSETS: '/static',
      ANYCABLE_BROADCAST_KEY: 'k3y',
    }
    for (const backend of running.keys()) {
      const board = await startBoard(BOARDS[backend]!.board, { ...boards.env, ...own })
      t.after(() => board.stop())
      const { body } = await board.ask('/')
      assert.match(
        alike(body),
        /<meta name="action-cable-url" content="wss:\/\/cable\.example\/cable\?a=b&amp;jid=[\w.-]+">/,
      )
      // Web serves the assets itself, where it serves them.
      if (backend !== 'typescript')
        assert.equal(body.match(/"\/static\/(icon\.svg|board\.css|anycable\.js)"/g)?.length, 3)
      boards.cable.reset()
      await board.post('/clear')
      await announced(1)
      assert.equal(boards.cable.received.pop()?.authorization, 'Bearer k3y')
    }
  })

  test('a file that is not there yet is made by all of them at once', async t => {
    const raced = await Promise.all(
      [...running.keys()].map(backend =>
        startBoard(BOARDS[backend]!.board, {
          ...boards.env,
          HOTCABLE_DB: join(boards.scratch, 'raced', 'board.sqlite3'),
        }),
      ),
    )
    t.after(() => Promise.all(raced.map(board => board.stop())))
    const answers = await Promise.all(raced.flatMap(board => Array.from({ length: 8 }, () => board.ask('/'))))
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200),
      [],
    )
    assert.deepEqual(
      raced.map(board => board.said()).filter(said => /error|exception|locked/i.test(said)),
      [],
    )
  })

  test('SIGTERM ends them at once with exit code 0, after what is under way, and frees the port', async t => {
    for (const backend of running.keys()) {
      const board = await startBoard(BOARDS[backend]!.board, boards.env)
      t.after(() => board.stop())
      const { promise: underWay, resolve: begun } = Promise.withResolvers<void>()
      boards.cable.onBroadcast = () => {
        begun()
        // It is tried again, so the form stays under way for 100 ms more; not by AnyCable's gem.
        return backend === 'rails' ? 201 : 503
      }
      const posted = board.post('/cards', { body: `the last of ${backend}` }).catch(() => undefined)
      await underWay
      boards.cable.onBroadcast = () => 201
      const { code, signal, ms } = await board.stop()
      t.diagnostic(`${backend} ended after ${Math.round(ms)} ms`)
      const answer = await posted
      if (backend === 'php') {
        assert.equal(signal, 'SIGTERM') // php -S has no end of its own: the signal ends it, and the form with it
      } else {
        assert.deepEqual([backend, code, answer?.status], [backend, 0, 303])
        assert.match(boards.cable.received.pop()?.body ?? '', new RegExp(`the last of ${backend}`))
      }
      assert.ok(ms < 20_000, `${backend} took ${ms} ms`)
      await until(
        () =>
          board.ask('/health').then(
            () => false,
            () => true,
          ),
        `${backend}'s port is free`,
      )
    }
  })
})

type Client = 'anycable' | 'rails'

const STREAM = 'board/1'
const SIGNED = (encoded => `${encoded}--${hmac(encoded).toString('hex')}`)(btoa('"board/1"'))
const STREAM_FROM =
  `<turbo-cable-stream-source id="cable-${SIGNED.slice(-64, -56)}-7-test" data-position="7/test" ` +
  `channel="Turbo::StreamsChannel" signed-stream-name="${SIGNED}"></turbo-cable-stream-source>`

/** A token of ours for the visitor whose cookie came with it, good for an hour. */
function isToken(token: string, headers: Answer['headers']): string {
  const [header, claims, signature] = token.split('.') as [string, string, string]
  assert.equal(signature, hmac(`${header}.${claims}`).toString('base64url'))
  assert.match(Buffer.from(header, 'base64url').toString(), /^\{"alg":"HS256"(,"typ":"JWT")?\}$/)
  const { ext, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  assert.equal(ext, JSON.stringify({ visitor: setCookies({ headers }).visitor }))
  assert.ok(Math.abs(exp - Date.now() / 1000 - 3600) < 60)
  return token
}

const visitor = ({ body }: Answer): string => {
  const [, claims] = /<meta name="cable-token" content="[\w-]+\.([\w-]+)\./.exec(body)!
  return JSON.parse(JSON.parse(Buffer.from(claims!, 'base64url').toString()).ext).visitor
}

/** Cookies that the browser is told to keep; each with the attributes it must have. */
function setCookies({ headers }: Pick<Answer, 'headers'>): Record<string, string> {
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

function isSentTo({ status, headers }: Answer, location: string): void {
  assert.deepEqual([status, headers.location], [303, location])
}

function isRefused({ status, headers, body }: Answer, expected: number): void {
  assert.equal(status, expected)
  assert.match(headers['content-type']!, /^text\/plain/)
  assert.doesNotMatch(body, /Traceback|\.(py|php|rb|ts):\d+/)
}

const store = ({ body, author = 'anonymous', backend = 'ruby', votes = 0 }: Partial<Card>): Card =>
  boards.db
    .prepare('INSERT INTO cards (body, author, backend, votes) VALUES (?, ?, ?, ?) RETURNING *')
    .get(body!, author, backend, votes) as unknown as Card

/** What was broadcast so far; Rails also tells streams that are named after a record. */
const messages = (): { stream: string; data: string }[] =>
  boards.cable.received.map(({ body }) => JSON.parse(body)).filter(({ stream }) => !/^Z2lkOi8v[\w:]+$/.test(stream))

/** So much of it: at once, but for Rails, which broadcasts in the background. */
const announced = (count: number): Promise<void> => until(() => messages().length >= count, `${count} broadcasts`)

/** Its HTML, once. */
const broadcasts = (): string[] => {
  const html = messages().map(({ stream, data }) => {
    assert.equal(stream, STREAM)
    return alike(JSON.parse(data))
  })
  boards.cable.received.length = 0
  return html
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await holds()); await pause(20)) {
    assert.ok(performance.now() < deadline, what)
  }
}

function hmac(signed: string): Buffer {
  return createHmac('sha256', SECRET).update(signed).digest()
}
