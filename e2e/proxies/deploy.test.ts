/** The files of deploy/ for nginx, HAProxy and Caddy: an app and two cables on one origin, over TLS. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { get, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { missing, PROXIES } from '../../backends/harness/toolchain.ts'
import { broadcast, broadcastKey, issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { healthy } from '../../testing/child.ts'
import { connect as open, turboIdentifier } from '../../testing/client.ts'
import { withEnds } from '../../testing/ends.ts'
import { PROXY_NAMES, type ProxyName, startDeployed } from './deployed-proxy.ts'

const SECRET = 'canary of a deployment'
const STREAM = 'news'
const SIGNED = signStream(STREAM, { secret: SECRET })
/** Of a client, in the network of this machine. */
const ELSEWHERE = '127.0.0.2'

interface Site {
  /** `localhost:8443` */
  readonly host: string
  /** The port without TLS. */
  readonly redirects: number
  readonly cables: readonly RunningCable[]
  /** The lines of the log of all cables. */
  readonly lines: readonly string[]
  /** The bodies of each POST that the app read. */
  readonly posts: readonly string[]
}

for (const name of PROXY_NAMES) {
  const tool = PROXIES[name]
  if (tool.find() !== undefined) describe(`deploy/ for ${tool.title}`, () => tests(name))
  else {
    console.error(`\n!!! ${missing(tool)}\n`)
    test(`deploy/ for ${tool.title}`, { skip: process.env.CI !== 'true' }, () => assert.fail(missing(tool)))
  }
}

function tests(front: ProxyName): void {
  test('a WebSocket and server-sent events stay open beyond pings, and get a broadcast at once', async t => {
    const { host, cables } = await start(t, front)
    const client = await enter(t, `wss://${host}/cable`)
    const events = await listen(t, `https://${host}/events`)

    for (let pings = 0; pings < 3; ) if ((await client.next()).type === 'ping') pings++
    await send(cables[0]!, 'hello')
    await send(cables[1]!, 'hello')

    const [message] = (await client.until(({ type }) => type === undefined)).slice(-1)
    assert.equal(message!.message, 'hello')
    await events.until('hello')
  })

  test('an app that has a /cable already reaches the cable below /live', async t => {
    const { host, cables } = await start(t, front)
    const client = await enter(t, `wss://${host}/live/cable`)
    const events = await listen(t, `https://${host}/live/events`)
    const script = await ask(`https://${host}/live/cable/hotcable.js`)

    for (const cable of cables) await send(cable, 'hello')

    assert.equal((await client.until(({ type }) => type === undefined)).at(-1)!.message, 'hello')
    await events.until('hello')
    assert.equal(script.status, 200)
    assert.match(script.body, /Turbo/)
  })

  test('the app gets the host with its port, the scheme and the address of the client; the cable gets no broadcast', async t => {
    const { host } = await start(t, front)

    const { body } = await ask(`https://${host}/page`, { localAddress: ELSEWHERE })
    const { url, headers } = JSON.parse(body)

    assert.equal(url, '/page')
    assert.deepEqual(
      [headers['x-forwarded-host'] ?? headers.host, headers['x-forwarded-proto'], headers['x-forwarded-for']],
      [host, 'https', ELSEWHERE],
    )
    const key = broadcastKey({ secret: SECRET })
    for (const path of ['/_broadcast', '/live/_broadcast', '/api/stats', '/live/api/stats', '/ready']) {
      const answer = await ask(`https://${host}${path}`, { headers: { authorization: `Bearer ${key}` } })
      assert.equal(JSON.parse(answer.body).isApp, true, path)
    }
    const winding = await ask(`https://${host}/cable/../_broadcast/position`, {
      headers: { authorization: `Bearer ${key}` },
    })
    // nginx and Caddy resolve it, and the app answers; HAProxy does not, and the cable refuses it.
    assert.ok([400, 404].includes(winding.status!))
  })

  test('a visitor without https is sent there', async t => {
    const { redirects } = await start(t, front)

    const { status, headers } = await fetch(`http://localhost:${redirects}/page?a=1`, { redirect: 'manual' })

    assert.ok([301, 308].includes(status), String(status))
    assert.match(headers.get('location')!, /^https:\/\/localhost(:\d+)?\/page\?a=1$/)
  })

  test('the log of the cable has the address of a client, and not the one that the client invents', async t => {
    const { host, lines } = await start(t, front)

    const headers = { 'x-forwarded-for': '6.6.6.6' }
    const client = await open(t, `wss://${host}/cable`, {
      headers,
      localAddress: ELSEWHERE,
      family: 4,
      rejectUnauthorized: false,
    })
    await client.closed

    while (!lines.some(line => line.includes('session refused'))) await pause(20)
    assert.match(lines.find(line => line.includes('session refused'))!, /code=token_missing address=127\.0\.0\.2$/)
  })

  test('an app that reads a POST and closes gets it once', async t => {
    const { host, posts } = await start(t, front)

    const { status } = await ask(`https://${host}/notes`, { method: 'POST', body: 'a note' })

    assert.equal(status, 502)
    assert.deepEqual(posts, ['a note'])
  })

  test('new clients reach the other cable while one shuts down', async t => {
    const { host, cables } = await start(t, front)
    const others = new URL(cables[1]!.url).port

    cables[0]!.child.kill('SIGTERM')
    const ready = new URL('/ready', cables[0]!.url.replace('ws', 'http'))
    while ((await fetch(ready)).status !== 503) await pause(20)
    // Caddy learns it within a second; the others ask the next cable for each client that the first one refuses.
    let refused = 0
    for (let welcome = 0; welcome < 6; ) {
      const isIn = await isWelcome(host)
      welcome = isIn ? welcome + 1 : 0
      if (!isIn) refused++
    }
    if (front !== 'caddy') assert.equal(refused, 0)
    assert.equal((await fetch(ready)).status, 503, `the first cable still drains, beside ${others}`)
  })
}

/** Two cables, an app that says what it was asked, and the proxy, until the test ends. */
async function start(t: TestContext, name: ProxyName): Promise<Site> {
  const posts: string[] = []
  const app = createServer(async (asked, response) => {
    const { url, headers } = asked
    if (asked.method === 'POST') {
      posts.push(await text(asked))
      asked.socket.destroy()
      return
    }
    response.setHeader('content-type', 'application/json')
    response.statusCode = url === '/page' ? 200 : 404
    response.end(JSON.stringify({ isApp: true, url, headers }))
  }).listen(0, '127.0.0.1')
  t.after(() => {
    app.closeAllConnections()
    app.close()
  })
  await once(app, 'listening')
  const flags = ['--turbo_streams', '--sse', '--ping_interval=1', '--trusted_proxies=127.0.0.1', '--shutdown_delay=20']
  const cables = await Promise.all([1, 2].map(() => startCable(flags, { settings: { ANYCABLE_SECRET: SECRET } })))
  const lines: string[] = []
  for (const { child, stop } of cables) {
    child.stdout!.setEncoding('utf8').on('data', (said: string) => lines.push(...said.trimEnd().split('\n')))
    t.after(() => stop('SIGKILL'))
  }
  const front = await startDeployed(t, name, {
    app: (app.address() as AddressInfo).port,
    cables: cables.map(({ url }) => Number(new URL(url).port)),
  })
  const host = `localhost:${front.port}`
  await healthy(`https://${host}/page`, front.child)
  return { host, redirects: front.redirects, cables, lines, posts }
}

const query = () => `?jid=${issueToken({ id: 'ada' }, { secret: SECRET })}`

/** A client that listens, and sees pings. */
async function enter(t: TestContext, url: string) {
  const client = await open(t, url, { query: query(), rejectUnauthorized: false, pings: true })
  await client.until(({ type }) => type === 'welcome')
  client.command('subscribe', turboIdentifier(SIGNED))
  await client.until(({ type }) => type === 'confirm_subscription')
  return client
}

const isWelcome = (host: string): Promise<boolean> =>
  withEnds(async t => {
    const client = await open(t, `wss://${host}/cable`, { query: query(), rejectUnauthorized: false })
    return (await client.next()).type === 'welcome'
  }).catch(() => false)

const send = ({ broadcast: url }: RunningCable, html: string) =>
  broadcast(STREAM, html, { url, key: broadcastKey({ secret: SECRET }) })

/** Reads server-sent events, of which a proxy may have compressed or kept none. */
async function listen(t: TestContext, url: string) {
  const asked = get(`${url}${query()}&turbo_signed_stream_name=${encodeURIComponent(SIGNED)}`, {
    headers: { 'accept-encoding': 'gzip' },
    rejectUnauthorized: false,
  })
  t.after(() => asked.destroy())
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.headers['content-encoding'], undefined)
  let read = ''
  answer.setEncoding('utf8').on('data', (chunk: string) => {
    read += chunk
  })
  const until = async (words: string) => {
    while (!read.includes(words)) await once(answer, 'data')
  }
  await until('confirm_subscription')
  return { until }
}

/** A path is sent as it is written. */
async function ask(
  url: string,
  {
    body,
    ...options
  }: { localAddress?: string; headers?: Record<string, string>; method?: string; body?: string } = {},
) {
  const { hostname, port } = new URL(url)
  const path = url.replace(/^https:\/\/[^/]+/, '')
  const asked = request({ hostname, port, path, agent: false, family: 4, rejectUnauthorized: false, ...options }).end(
    body,
  )
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, body: await text(answer) }
}
