import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAssets } from './assets.ts'
import { openBoard } from './board.ts'
import { createBroadcasts } from './broadcasts.ts'
import { boardPath, DEAD, listen, lock, testApp } from './testing.ts'
import { LINKS } from './views/languages.ts'

/** The Boards that every machine runs. */
const USUAL = LINKS.filter(({ isExtra }) => !isExtra)

test('the page holds the cards, escaped and oldest first', async t => {
  const { app, board } = await testApp(t)
  await board.add({ body: '<script>alert("1")</script> & \'x\'', author: '"><b>', backend: 'python' })
  await board.add({ body: 'Second', author: 'Ada', backend: 'typescript' })

  const page = await app.request('/')
  const html = await page.text()

  assert.equal(page.status, 200)
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.equal(page.headers.get('cache-control'), 'no-store')
  assert.match(html, /&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt; &amp; &#39;x&#39;/)
  assert.match(
    html,
    /<span class="author" dir="auto">&quot;&gt;&lt;b&gt;<\/span> <span class="badge" data-backend="python">Python</,
  )
  assert.match(html, /<span id="card-count">2 cards<\/span>/)
  assert.ok(html.indexOf('id="card_1"') < html.indexOf('id="card_2"'))
})

test('the page asks for the position before the cards', async t => {
  const asked: string[] = []
  const cable = await listen(t, (request, response) => {
    asked.push(`position ${request.url}`)
    response.end('{"position":"12/aZ3x"}')
  })
  const { board } = await testApp(t)
  const cards = async () => {
    asked.push('cards')
    return []
  }
  const hotcable = { signing: { secret: 'canary' }, backend: { url: `${cable.url}/_broadcast` } }
  const { app } = await testApp(t, { board: { ...board, cards }, hotcable })

  const html = await (await app.request('/')).text()

  assert.deepEqual(asked, ['position /_broadcast/position?stream=board%2F1', 'cards'])
  assert.match(html, /<turbo-cable-stream-source id="cable-[0-9a-f]{8}-12-aZ3x" data-position="12\/aZ3x" /)
})

test('the Board commits a form, broadcasts it and answers with a redirect', async t => {
  const { board, sent, post } = await testApp(t)

  const added = await post('/cards', { body: ' Hello ', author: '' })
  const [{ id } = { id: 0 }] = await board.cards()
  const voted = await post(`/cards/${id}/vote`)
  const deleted = await post(`/cards/${id}/delete`)
  const cleared = await post('/clear')

  for (const answer of [added, voted, deleted, cleared]) {
    assert.equal(answer.status, 303)
    assert.equal(answer.headers.get('location'), '/')
  }
  assert.deepEqual(
    sent.map(html => /action="(\w+)"/.exec(html)?.[1]),
    ['append', 'replace', 'remove', 'refresh'],
  )
  assert.match(sent[0]!, /<p class="body" dir="auto">Hello<\/p>.*>anonymous</)
})

test('the Board redirects a form for a missing card and broadcasts nothing, whatever the id', async t => {
  const { sent, post } = await testApp(t)

  for (const id of ['1', '0', '9'.repeat(30), '9'.repeat(400)]) {
    assert.equal((await post(`/cards/${id}/vote`)).status, 303)
    assert.equal((await post(`/cards/${id}/delete`)).status, 303)
  }

  assert.deepEqual(sent, [])
})

test('the Board answers a form although the cable does not answer', async t => {
  const lines: string[] = []
  const broadcasts = createBroadcasts({
    post: async () => {
      throw new Error('dead')
    },
    log: line => lines.push(line),
  })
  const { app, board, post } = await testApp(t, { broadcasts })

  assert.equal((await post('/cards', { body: 'Hello' })).status, 303)
  assert.equal((await app.request('/')).status, 200)
  assert.equal((await board.cards()).length, 1)
  assert.equal(lines.length, 1)
})

test('a form waits for a locked database, and other requests do not', async t => {
  const path = boardPath(t)
  const board = await openBoard(path)
  t.after(() => board.close())
  const { app, post } = await testApp(t, { board })
  const unlock = lock(t, path)
  const answered: string[] = []
  const answer = async (name: string, response: Response | Promise<Response>) => {
    answered.push(`${name} ${(await response).status}`)
  }

  const posted = answer('form', post('/cards', { body: 'Hello' }))
  await answer('health', app.request('/health'))
  await answer('page', app.request('/'))
  unlock()
  await posted

  assert.deepEqual(answered, ['health 200', 'page 200', 'form 303'])
})

test('a form gets 503 with Retry-After when the database stays locked', async t => {
  const path = boardPath(t)
  const board = await openBoard(path, { patienceMs: 30 })
  t.after(() => board.close())
  const { post } = await testApp(t, { board })
  lock(t, path)

  const answer = await post('/cards', { body: 'Hello' })

  assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1'])
  assert.match(await answer.text(), /locked/)
})

test('the Board refuses an invalid card with a reason', async t => {
  const { board, sent, post } = await testApp(t)
  const refused = [
    await post('/cards', { body: '  ' }),
    await post('/cards', { body: 'x'.repeat(501) }),
    await post('/cards', 'body=%FF'),
  ]

  for (const answer of refused) {
    assert.equal(answer.status, 422)
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain/)
  }
  assert.equal((await post('/cards', { body: 'x', author: 'y'.repeat(66_000) })).status, 413)
  assert.deepEqual([await board.cards(), sent], [[], []])
})

test('another site cannot post to the Board of any language', async t => {
  const { board, post } = await testApp(t, { neighbours: { python: DEAD } })

  for (const path of ['/cards', '/clear', '/cards/1/vote', '/python/cards']) {
    assert.equal((await post(path, { body: 'x' }, { 'sec-fetch-site': 'cross-site' })).status, 403)
  }
  assert.equal((await post('/cards', { body: 'x' }, { 'sec-fetch-site': 'same-origin' })).status, 303)
  assert.equal((await board.cards()).length, 1)
})

test('the Board answers an unknown path with 404, and a wrong method with 405 and the right ones', async t => {
  const { app, post } = await testApp(t)
  const status = async (path: string, method = 'GET') => (await app.request(path, { method })).status

  assert.equal(await status('/nothing'), 404)
  assert.equal(await status('/cards/x/vote', 'POST'), 404)
  assert.equal(await status('/cards'), 405)
  assert.equal(await status('/clear'), 405)
  assert.equal(await status('/cards/1/vote'), 405)
  assert.equal(await status('/', 'DELETE'), 405)
  assert.equal((await post('/')).headers.get('allow'), 'GET')
  assert.equal(await status('/', 'HEAD'), 200)
  assert.equal(await status('/health'), 200)
  assert.equal(await status('/cable'), 426)
})

test('the Boards have the script of pages where a cable has it, for pages of other origins', async t => {
  const assets = await createAssets()
  const { app } = await testApp(t, { assets })
  const [own, ...others] = await Promise.all(
    ['/assets/hotcable.js', '/hotcable.js', '/cable/hotcable.js'].map(path => app.request(path)),
  )
  const text = await own!.text()

  for (const answer of others) {
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
    assert.equal(await answer.text(), text)
  }
  assert.equal((await app.request('/cable/hotcable-streams.js.map')).status, 200)
  assert.equal((await app.request('/cable/board.js')).status, 404)
})

test('the answer to a WebSocket on an unknown path names the right one', async t => {
  const { app } = await testApp(t)
  const answer = await app.request('/cable/?jid=x', { headers: { upgrade: 'websocket' } })

  assert.equal(answer.status, 404)
  assert.equal(await answer.text(), 'There is no WebSocket at /cable/: WebSockets are at /cable.\n')
})

test('cookies keep the identity and the client of a visitor', async t => {
  const { app } = await testApp(t)
  const first = await app.request('/?client=rails')
  const cookies = first.headers.getSetCookie()
  assert.match(
    cookies.find(cookie => cookie.startsWith('visitor='))!,
    /^visitor=[0-9a-f]{16}; .*HttpOnly; SameSite=Lax$/,
  )

  const cookie = cookies.map(each => each.split(';')[0]).join('; ')
  const second = await app.request('/', { headers: { cookie } })
  const forged = await app.request('/?client=evil', { headers: { cookie: 'visitor=ABCDEF; client=evil' } })

  assert.deepEqual(second.headers.getSetCookie(), [])
  assert.match(await second.text(), /src="\/assets\/rails.js"/)
  assert.match(await forged.text(), /src="\/assets\/hotcable.js"/)
  assert.equal(forged.headers.getSetCookie().length, 1)
})

test("the cable's URL has the origin of the page unless it is configured", async t => {
  const { app } = await testApp(t)
  const hotcable = { signing: { secret: 'canary' }, backend: { url: DEAD }, cableUrl: 'wss://cable.example/cable' }
  const { app: elsewhere } = await testApp(t, { hotcable })
  const url = async (headers: Record<string, string>, from = app) =>
    /name="cable-url" content="([^"]*)"/.exec(await (await from.request('/', { headers })).text())?.[1]

  assert.equal(await url({ host: '192.168.1.5:3000' }), 'ws://192.168.1.5:3000/cable')
  assert.equal(
    await url({ host: 'a', 'x-forwarded-host': 'b.example', 'x-forwarded-proto': 'https, http' }),
    'wss://b.example/cable',
  )
  assert.equal(await url({ 'x-forwarded-host': '"><script>' }), 'ws://localhost/cable')
  assert.equal(await url({}, elsewhere), 'wss://cable.example/cable')
  const policy = (await elsewhere.request('/')).headers.get('content-security-policy')
  assert.match(policy ?? '', /connect-src [^;]* wss:\/\/cable\.example(;| )/)
})

test('/compare shows every Board except the extras', async t => {
  const { app } = await testApp(t)
  const compare = await app.request('/compare')

  const frames = [...(await compare.text()).matchAll(/<iframe src="([^"]*)" title="([^"]*)"/g)]
  assert.deepEqual(
    frames.map(([, src]) => src),
    USUAL.map(({ href }) => href),
  )
  assert.equal(new Set(frames.map(([, , title]) => title)).size, USUAL.length)
  assert.match(compare.headers.getSetCookie()[0] ?? '', /^visitor=/)
})

test('every Board and every notice links to Rails, and /compare has its frame only where Rails runs', async t => {
  const { app: without } = await testApp(t)
  const { app } = await testApp(t, { neighbours: { rails: DEAD } })

  for (const path of ['/', '/nowhere', '/php/']) {
    const html = await (await without.request(path, { headers: { accept: 'text/html' } })).text()
    assert.match(html, /<a href="\/rails\/" data-backend="rails">Rails<\/a>/, path)
  }
  assert.doesNotMatch(await (await without.request('/compare')).text(), /\/rails\//)
  assert.equal((await without.request('/rails/')).status, 503)
  const compare = await (await app.request('/compare')).text()
  assert.equal(compare.match(/<iframe /g)?.length, USUAL.length + 1)
  assert.match(compare, /<a class="badge" data-backend="rails" href="\/rails\/">Rails<\/a>/)
})

test('the header of every page leads to all pages of the demo, and names the current one', async t => {
  const { app } = await testApp(t)

  for (const path of ['/', '/people', '/answer', '/compare', '/nowhere']) {
    const [, demo] = /<nav class="demo" aria-label="Demo">(.*?)<\/nav>/s.exec(await (await app.request(path)).text())!
    const links = [...demo!.matchAll(/<a href="([^"]*)"( aria-current="[a-z]+")?>/g)]
    assert.deepEqual(
      links.map(([, href]) => href),
      ['/', '/people', '/answer', '/compare'],
    )
    assert.deepEqual(
      links.filter(([, , isCurrent]) => isCurrent).map(([, href]) => href),
      path === '/nowhere' ? [] : [path],
    )
  }
})

test("the page of the windows signs its list, and does not show the visitor's identity", async t => {
  const { app } = await testApp(t)

  const [page, again] = [await app.request('/people'), await app.request('/people')]
  const [html, other] = [await page.text(), await again.text()]

  const identity = /^visitor=([0-9a-f]{16});/.exec(page.headers.getSetCookie()[0]!)![1]!
  assert.equal(page.headers.getSetCookie().length, 1)
  assert.match(html, /data-signed-stream-name="InBlb3BsZSI=--[0-9a-f]{64}" data-visitor="visitor-[0-9a-f]{12}"/)
  assert.ok(!html.includes(identity))
  assert.notEqual(/data-visitor="(.*?)"/.exec(html)![1], /data-visitor="(.*?)"/.exec(other)![1])
})

test('a question is answered with a redirect to a page that streams its answer', async t => {
  const { app, sent, post } = await testApp(t)

  const asked = await post('/answer', { question: ' <b>Why?</b> ' })
  const path = asked.headers.get('location') ?? ''
  const page = await (await app.request(path)).text()

  assert.equal(asked.status, 303)
  assert.match(path, /^\/answer\/[0-9a-f]{16}$/)
  assert.match(page, /<h2 class="question" dir="auto">&lt;b&gt;Why\?&lt;\/b&gt;<\/h2>/)
  assert.match(page, /<turbo-cable-stream-source id="cable-[0-9a-f]{8}--" data-position="-"/)
  assert.match(page, /<meta name="cable-token"/)
  assert.match(sent.at(-1)!, /action="replace" target="answer_[0-9a-f]{16}".*<p dir="auto">Yes\.<\/p>/)
})

test('a form without a question, and an unknown answer, are refused', async t => {
  const { app, post } = await testApp(t)

  assert.equal((await post('/answer', { question: ' ' })).status, 422)
  assert.equal((await post('/answer', { question: 'é'.repeat(201) })).status, 422)
  assert.equal((await post('/answer', '{}', { 'content-type': 'application/json' })).status, 415)
  assert.equal((await app.request('/answer/0123456789abcdef')).status, 404)
  assert.equal((await app.request('/answer/0123456789abcdef', { method: 'POST' })).status, 405)
})
