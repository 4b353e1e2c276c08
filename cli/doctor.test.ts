/** The doctor and real cables, each with one fault. Behind proxies: e2e/proxies/doctor.test.ts. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { issueToken, metaTags, scriptTag, streamFrom } from '../backends/typescript/hotcable.ts'
import { LEAK, SECRET, startCable, type TestCable } from '../server/test/test-cable.ts'
import { certificate } from '../testing/certificate.ts'
import type { Row } from './doctor/checks.ts'
import { hotcable } from './testing.ts'

/** Each cable would build the script once more. */
const SERVED = ['--sse', '--ping_interval=1', '--client_js=off']
const WITH_SCRIPT = ['--sse', '--ping_interval=1']
/** Builds take long on a busy machine. */
const PATIENT = '--timeout=60'
/** Longer than the time between two pings, also on a busy machine. */
const WAIT = '--wait=3'

const appOf = (cable: TestCable) => ({
  ANYCABLE_SECRET: SECRET,
  ANYCABLE_HTTP_BROADCAST_URL: cable.url.broadcast,
})

async function examine(url: string, env: NodeJS.ProcessEnv, options: string[] = [], input = '') {
  const { code, stdout, stderr } = await hotcable(['doctor', '--json', WAIT, ...options, url], { env, input })
  assert.equal(stderr, '')
  assert.doesNotMatch(stdout, LEAK)
  const { ok, url: examined, checks } = JSON.parse(stdout) as { ok: boolean; url: string; checks: Row[] }
  assert.equal(code, ok ? 0 : 1)
  const failed = checks.filter(({ result }) => result === 'FAIL')
  const row = (name: string) => checks.find(({ check }) => check === name)!
  return { examined, checks, failed: failed.map(({ check }) => check), row }
}

// Most of their time they wait for pings.
describe('hotcable doctor', { concurrency: 8 }, () => {
  test('a healthy cable passes every check, and the table has no secret', async t => {
    const cable = await startCable(t, WITH_SCRIPT)

    const { code, stdout, stderr } = await hotcable(['doctor', WAIT, PATIENT, cable.url.cable], { env: appOf(cable) })

    assert.deepEqual([code, stderr], [0, ''])
    assert.match(
      stdout,
      /^ws:\/\/127\.0\.0\.1:\d+\/cable, for pages of http:\/\/127\.0\.0\.1:\d+\n\nok {4}connect {7}127/,
    )
    assert.match(stdout, /\n\n15 ok\n$/)
    assert.doesNotMatch(stdout, LEAK)
  })

  test('the doctor names an origin that the cable refuses, and the setting for it', async t => {
    const cable = await startCable(t, [...SERVED, '--allowed_origins=app.example.com'])

    const { failed, row } = await examine(cable.url.cable, appOf(cable))

    assert.deepEqual(failed, ['origin'])
    assert.match(row('origin').fix[0]!, /ANYCABLE_ALLOWED_ORIGINS=127\.0\.0\.1:\d+$/)
    const again = await examine(cable.url.cable, appOf(cable), ['--origin=https://app.example.com/board'])
    assert.deepEqual([again.failed, again.row('sse').result], [[], 'ok'])
  })

  test('the doctor names a wrong key for broadcasts, and a missing one', async t => {
    const cable = await startCable(t, SERVED)

    const wrong = await examine(cable.url.cable, { ...appOf(cable), ANYCABLE_BROADCAST_KEY: 'canary' })
    const missing = await examine(cable.url.cable, { ...appOf(cable), ANYCABLE_BROADCAST_KEY: 'none' })

    assert.deepEqual([wrong.failed, missing.failed], [['broadcast'], ['broadcast']])
    assert.match(wrong.row('broadcast').saw, /^HTTP 401 /)
    assert.match(wrong.row('broadcast').fix[0]!, /^the key in Authorization does not match/)
    assert.match(missing.row('broadcast').fix[0]!, /^the cable wants a key/)
  })

  test('the doctor names a URL for broadcasts where no cable listens, and one of another cable', async t => {
    const [cable, other] = [await startCable(t, SERVED), await startCable(t, SERVED)]

    const at = (url: string) =>
      examine(cable.url.cable, { ...appOf(cable), ANYCABLE_HTTP_BROADCAST_URL: url }, ['--timeout=3'])
    const [nowhere, elsewhere, misspelt] = [
      await at('http://127.0.0.1:1/_broadcast'),
      await at(other.url.broadcast),
      await at(cable.url.broadcast.replace('_broadcast', '_brodcast')),
    ]

    assert.match(nowhere.row('broadcast').saw, /does not answer: .*ECONNREFUSED/)
    assert.match(elsewhere.row('broadcast').saw, /took a message, but it did not arrive$/)
    assert.match(misspelt.row('broadcast').saw, /^HTTP 404 /)
    for (const { failed } of [nowhere, elsewhere, misspelt]) assert.deepEqual(failed, ['broadcast'])
  })

  for (const [minutes, says] of [
    [-2, /^the clock of the cable is (119|120|121) s behind this machine's; the Date header is right$/],
    [2, /^the clock of the cable is (119|120|121) s ahead of this machine's; the Date header is right$/],
  ] as const) {
    test(`the doctor names the clock of a cable that is ${minutes} minutes off`, async t => {
      const cable = await startCable(t, SERVED, { wall: () => Date.now() + minutes * 60_000 })

      const { failed, row } = await examine(cable.url.cable, appOf(cable))

      assert.deepEqual(failed, ['clock'])
      assert.match(row('clock').saw, says)
    })
  }

  test('the doctor suspects the clock of this machine if it alone differs', async t => {
    const cable = await startCable(t, SERVED)
    const late = 'data:text/javascript,const{now}=Date;Date.now=()=>now()+120000'

    const stdout = await start(cable.url.cable, appOf(cable), [`--import=${late}`])

    assert.match(
      stdout,
      /^FAIL {2}clock .* cable and Date header are (119|120|121) s behind .*: is this machine's wrong\?$/m,
    )
  })

  test('the doctor understands pings of each precision', async t => {
    for (const precision of ['s', 'ms', 'ns']) {
      const cable = await startCable(t, [...SERVED, `--ping_timestamp_precision=${precision}`])

      assert.equal((await examine(cable.url.cable, appOf(cable))).row('clock').result, 'ok')
    }
  })

  test('the doctor names a token that is missing, foreign, expired or without an identity', async t => {
    const cable = await startCable(t, SERVED)
    const ask = (env: NodeJS.ProcessEnv) => examine(cable.url.cable, env)
    const ours = { secret: SECRET }

    const none = await ask({})
    const foreign = await ask({ HOTCABLE_TOKEN: issueToken({ user: 'ada' }, { secret: 'canary' }) })
    const old = await ask({
      HOTCABLE_TOKEN: issueToken({ user: 'ada' }, { ...ours, ttl: 60, now: Date.now() / 1000 - 600 }),
    })

    for (const { failed } of [none, foreign, old]) assert.deepEqual(failed, ['token'])
    assert.match(none.row('token').fix.join(), /hotcable token ada \| hotcable doctor --token <url>/)
    assert.match(foreign.row('token').saw, /^refused as "unauthorized", from HOTCABLE_TOKEN$/)
    assert.match(foreign.row('token').fix[0]!, /^give app and cable the same ANYCABLE_SECRET/)
    assert.match(old.row('token').fix[0]!, /^it expired 9 min ago/)
    assert.equal(none.row('welcome').result, 'skipped')
  })

  test('the doctor reads a token from stdin', async t => {
    const cable = await startCable(t, SERVED)
    const token = issueToken({ user: 'ada' }, { secret: SECRET })

    const { failed, row } = await examine(cable.url.cable, {}, ['--token'], `${token}\n`)

    assert.deepEqual(failed, [])
    assert.match(row('token').saw, /^accepted, from stdin; it expires in 60 min$/)
    for (const check of ['subscription', 'sse', 'broadcast', 'position']) assert.equal(row(check).result, 'skipped')
  })

  test("the doctor names stream names that are not signed with the cable's secret", async t => {
    const cable = await startCable(t, SERVED)

    const { failed, row } = await examine(cable.url.cable, { ...appOf(cable), ANYCABLE_STREAMS_SECRET: 'canary' })

    assert.deepEqual(failed, ['subscription'])
    assert.match(row('subscription').fix[0]!, /^give the app and the cable the same ANYCABLE_SECRET/)
  })

  test('the doctor repeats the code and the fix of a cable with --dev', async t => {
    const cable = await startCable(t, [...SERVED, '--dev'])

    const { row } = await examine(cable.url.cable, { ...appOf(cable), HOTCABLE_STREAMS_PURPOSE: 'other' })

    assert.match(row('subscription').saw, /\(stream_purpose_mismatch\)$/)
    assert.match(row('subscription').fix[0]!, /--streams_purpose/)
  })

  test('the doctor names a cable that has too many sessions', async t => {
    const cable = await startCable(t, [...SERVED, '--max_sessions=1'])
    await cable.welcomed({ query: `?jid=${issueToken({ user: 'ada' }, { secret: SECRET })}` })

    const { row } = await examine(cable.url.cable, appOf(cable))

    assert.match(row('welcome').saw, /"sessions_limit"$/)
    assert.match(row('welcome').fix[0]!, /--max_sessions/)
  })

  test('the doctor names a cable whose pings are too rare', async t => {
    const cable = await startCable(t, [...SERVED, '--ping_interval=20'])

    const { failed } = await examine(cable.url.cable, appOf(cable), ['--wait=6.2'])

    assert.deepEqual(failed, ['ping'])
  })

  test('the doctor warns of a cable without server-sent events, without history and without the script', async t => {
    const cable = await startCable(t, ['--ping_interval=1', '--client_js=off', '--broker=none'])

    const { failed, row } = await examine(cable.url.cable, appOf(cable))

    assert.deepEqual(failed, [])
    for (const check of ['sse', 'position', 'script']) assert.equal(row(check).result, 'warn', row(check).saw)
  })

  test('the doctor names a path without a cable', async t => {
    const cable = await startCable(t, SERVED)

    const { failed, row } = await examine(cable.url.cable.replace('/cable', '/sockets'), appOf(cable))

    assert.deepEqual(failed, ['upgrade'])
    assert.match(row('upgrade').saw, /WebSockets are at \/cable/)
  })

  test('the doctor names an address where nothing listens, and a host without an address', async () => {
    const nothing = await examine('ws://127.0.0.1:1/cable', {})
    const unknown = await examine('ws://cable.invalid/cable', {})

    assert.deepEqual([nothing.failed, unknown.failed], [['connect'], ['connect']])
    assert.match(nothing.row('connect').saw, /^nothing listens at 127\.0\.0\.1:1$/)
    assert.match(unknown.row('connect').saw, /^no address for cable\.invalid/)
  })

  test('the doctor names a certificate that browsers do not trust, and the wrong kind of port', async t => {
    const [cert, key] = certificate(t)
    const secure = await startCable(t, [...SERVED, `--ssl_cert=${cert}`, `--ssl_key=${key}`])
    const plain = await startCable(t, SERVED)
    const url = secure.url.cable.replace('127.0.0.1', 'localhost')

    const untrusted = await examine(url, {})
    const toPlain = await examine(plain.url.cable.replace('ws:', 'wss:'), {})
    const toSecure = await examine(url.replace('wss:', 'ws:'), {})

    assert.match(untrusted.row('connect').saw, /^browsers do not trust the certificate/)
    assert.match(toPlain.row('connect').saw, /does not speak TLS$/)
    assert.match(toSecure.row('upgrade').fix.join(), /wss:\/\//)
  })

  test('the doctor warns of a certificate that is about to expire', async t => {
    const [cert, key] = certificate(t)
    const cable = await startCable(t, [...SERVED, `--ssl_cert=${cert}`, `--ssl_key=${key}`])
    const url = cable.url.cable.replace('127.0.0.1', 'localhost')

    const stdout = await start(url, { ...appOf(cable), NODE_EXTRA_CA_CERTS: cert })

    assert.match(stdout, /^warn {2}connect .*, TLSv1\.3, certificate valid for 0 days\n +renew the certificate/m)
    assert.match(stdout, /^ok {4}upgrade /m)
    assert.match(stdout, /^ok {4}sse /m)
  })

  test('the doctor ends although a server never answers', async t => {
    const server = createServer(() => {})
    const url = await listen(t, server)

    const { failed, row } = await examine(`${url}/cable`, {}, ['--timeout=0.2'])

    assert.deepEqual(failed, ['upgrade'])
    assert.match(row('upgrade').saw, /^connected, but no answer to the upgrade: TIMEOUT/)
  })

  test('the doctor names a WebSocket that is not a cable', async t => {
    const http = createHttp((_, response) => response.writeHead(404).end())
    const sockets = new WebSocketServer({ server: http, handleProtocols: () => 'actioncable-v1-json' })
    t.after(() => {
      for (const client of sockets.clients) client.terminate()
    })
    const url = await listen(t, http)

    const silent = await examine(url, {}, ['--timeout=3', '--wait=0.2'])
    sockets.on('connection', client => client.send('hello'))
    const chatty = await examine(url, {}, ['--timeout=3', '--wait=0.2'])
    sockets.removeAllListeners('connection').on('connection', client => client.close(4000, 'bye'))
    const rude = await examine(url, {}, ['--timeout=3', '--wait=0.2'])

    assert.match(silent.row('welcome').saw, /^no welcome in 3.0 s$/)
    assert.match(chatty.row('welcome').saw, /^the first message is/)
    assert.match(rude.row('welcome').saw, /^no welcome: the connection was closed \(4000 bye\)$/)
  })

  test('the doctor examines a page: its cable, its token, its stream, its script', async t => {
    const cable = await startCable(t, WITH_SCRIPT)
    const url = cable.url.cable
    const ours = { secret: SECRET }
    const page = await serve(
      t,
      `<head>${metaTags({ user: 'ada' }, { ...ours, url })}${scriptTag({ url })}</head>${streamFrom('board/1', '-', ours)}`,
    )

    const { failed, row } = await examine(page, {}, [PATIENT])

    assert.deepEqual(failed, [])
    assert.match(row('page').saw, /names the cable, a token and a stream$/)
    assert.match(row('token').saw, /^accepted, from the page/)
    assert.equal(row('subscription').saw, 'confirmed, for the name on the page')
    assert.match(row('origin').saw, new RegExp(`^a page of ${page.slice(0, -1)} may connect$`))
    for (const check of ['sse', 'script']) assert.equal(row(check).result, 'ok')
  })

  test('the doctor names a page with https whose cable has ws', async t => {
    const [cert, key] = certificate(t)
    const tags = metaTags({ user: 'ada' }, { secret: SECRET, url: 'ws://127.0.0.1:1/cable' })
    const server = createHttps({ cert: readFileSync(cert), key: readFileSync(key) }, (_, response) =>
      response.end(tags),
    )
    const url = (await listen(t, server)).replace('ws://127.0.0.1', 'https://localhost')

    const stdout = await start(url, { NODE_EXTRA_CA_CERTS: cert })

    assert.match(stdout, /^FAIL {2}page .*which browsers block\n +set ANYCABLE_WEBSOCKET_URL=wss:/m)
  })

  test('the doctor names a page without tags, without a stream, and with a script that is missing', async t => {
    const cable = await startCable(t, WITH_SCRIPT)
    const url = cable.url.cable
    const tags = metaTags({ user: 'ada' }, { secret: SECRET, url })

    const bare = await examine(await serve(t, '<h1>Hello</h1>'), {}, [PATIENT])
    const streamless = await examine(await serve(t, tags), {}, [PATIENT])
    const scriptless = await examine(await serve(t, `${tags}<script src="/static/hotcable.js"></script>`), {})

    assert.equal(bare.failed[0], 'page')
    assert.match(bare.examined, /^ws:.*\/cable$/)
    assert.match(streamless.row('page').saw, /listens to no stream$/)
    assert.match(streamless.row('script').saw, /the page does not load it$/)
    assert.deepEqual(scriptless.failed, ['script'])
  })

  for (const args of [
    [],
    ['ftp://a'],
    ['ws://a', 'ws://b'],
    ['ws://a', '--wait=no'],
    ['ws://a', '--origin=b'],
  ] as const) {
    test(`doctor refuses ${JSON.stringify(args)}`, async () => {
      const { code, stdout, stderr } = await hotcable(['doctor', ...args])

      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, /^hotcable doctor needs /)
    })
  }

  test('the doctor ends with a report of a page whose tags name nothing that it can use', async t => {
    for (const html of [
      '<meta name="cable-url" content="mailto:x"><script src="data:text/javascript,hotcable.js"></script>',
      '<meta name="cable-url" content="/cable"><meta name="cable-token" content="é&#10;x: y">',
    ]) {
      const { row } = await examine(await serve(t, html), {})
      assert.equal(row('connect').result, html.includes('mailto') ? 'ok' : 'FAIL')
    }
    const moved = createHttp((_, response) => response.writeHead(302, { location: 'mailto:x' }).end())
    const { failed } = await examine(`${(await listen(t, moved)).replace('ws:', 'http:')}/`, {})
    assert.ok(failed.includes('upgrade'))
  })

  test('doctor refuses a token on the command line without repeating it', async () => {
    const { code, stderr } = await hotcable(['doctor', 'ws://a', '--token=eyJcanary.canary.canary'])

    assert.equal(code, 2)
    assert.doesNotMatch(stderr, /canary/)
  })
})

/** Runs the doctor as a process, and returns what it printed. */
function start(url: string, env: NodeJS.ProcessEnv, nodeFlags: string[] = []): Promise<string> {
  const argv = [...nodeFlags, 'cli/main.ts', 'doctor', WAIT, url]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, argv, { env }, (error, stdout) => (stdout === '' ? reject(error) : resolve(stdout)))
  })
}

/** Serves a page at `/`, and 404 elsewhere; returns its URL. */
async function serve(t: TestContext, html: string): Promise<string> {
  const server = createHttp(({ url }, response) => {
    if (url === '/') response.setHeader('content-type', 'text/html').end(html)
    else response.writeHead(404).end()
  })
  return `${(await listen(t, server)).replace('ws:', 'http:')}/`
}

async function listen(t: TestContext, server: Server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}
