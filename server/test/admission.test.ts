/** The cable admits clients by token, origin and path, and answers the clients that it refuses. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { connect } from '../../testing/client.ts'
import { startCable, token } from './test-cable.ts'

const ADA = JSON.stringify({ user_id: 42 })
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600

test('the cable welcomes each client that has a good token, with a different sid', async t => {
  const cable = await startCable(t)
  const jid = token({ ext: ADA, exp: inAnHour() })
  const [one, two] = await Promise.all([
    cable.connect({ query: `?jid=${jid}` }),
    cable.connect({ query: `?jid=${jid}` }),
  ])

  const welcomes = [await one.next(), await two.next()]

  assert.deepEqual(
    welcomes.map(({ type }) => type),
    ['welcome', 'welcome'],
  )
  assert.match(welcomes[0]!.sid!, /^[\w-]{20,}$/)
  assert.notEqual(welcomes[0]!.sid, welcomes[1]!.sid)
})

test('the cable takes the token from a header, a subprotocol or a query parameter, in this order', async t => {
  const cable = await startCable(t)
  const jid = token({ ext: ADA })
  const bad = 'not.a.token'

  for (const [options, welcomed] of [
    [
      { headers: { 'x-jid': jid }, protocols: ['actioncable-v1-json', `anycable-token.${bad}`], query: `?jid=${bad}` },
      true,
    ],
    [{ protocols: ['actioncable-v1-json', `anycable-token.${jid}`], query: `?jid=${bad}` }, true],
    [{ query: `?jid=${jid}` }, true],
    [{ headers: { 'x-jid': bad }, query: `?jid=${jid}` }, false],
  ] as const) {
    const client = await cable.connect(options)
    assert.equal((await client.next()).type, welcomed ? 'welcome' : 'disconnect')
  }
})

for (const [about, query, reason] of [
  ['no token', () => '', 'unauthorized'],
  ['a forged token', () => `?jid=${token({ ext: ADA }, 'another-secret')}`, 'unauthorized'],
  ['an expired token', () => `?jid=${token({ ext: ADA, exp: 1_000_000_000 })}`, 'token_expired'],
  ['an ext that is not a string', () => `?jid=${token({ ext: { user_id: 42 } })}`, 'unauthorized'],
] as const) {
  test(`the cable refuses ${about} with a disconnect that says ${reason}, then closes`, async t => {
    const cable = await startCable(t)
    const client = await cable.connect({ query: query() })

    assert.deepEqual(await client.next(), { type: 'disconnect', reason, reconnect: false })
    assert.deepEqual(await client.closed, { code: 1000, text: 'Auth Failed' })
  })
}

test('the cable refuses a bad token even if it needs no token', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [without, bad] = await Promise.all([cable.connect(), cable.connect({ query: '?jid=nonsense' })])

  assert.equal((await without.next()).type, 'welcome')
  assert.equal((await bad.next()).reason, 'unauthorized')
})

test('with --dev a refusal names its code and its fix; without, it has the fields of the reference only', async t => {
  const [dev, plain] = [await startCable(t, ['--dev']), await startCable(t)]
  const [told, untold] = [await (await dev.connect()).next(), await (await plain.connect()).next()]

  assert.equal(told.code, 'token_missing')
  assert.match(String(told.fix), /jid/)
  assert.deepEqual(Object.keys(untold), ['type', 'reason', 'reconnect'])
})

test('with --dev a welcome has a dev field; without, it has none', async t => {
  const [dev, plain] = [await startCable(t, ['--noauth', '--dev']), await startCable(t, ['--noauth'])]
  const [told, untold] = [(await dev.welcomed()).welcome, (await plain.welcomed()).welcome]

  assert.deepEqual(told, { type: 'welcome', sid: told.sid, dev: true })
  assert.deepEqual(untold, { type: 'welcome', sid: untold.sid })
})

test('the cable answers a subprotocol that the client offers, and never echoes a token', async t => {
  const cable = await startCable(t, ['--noauth'])
  const stock = await cable.connect({ protocols: ['actioncable-v1-json', 'actioncable-unsupported'] })
  // The ws client fails if the server ignores its offered subprotocols, so the test sets the header directly.
  const headers = { 'sec-websocket-protocol': `anycable-token.${token({ ext: ADA })}` }
  const bare = await cable.connect({ protocols: [], headers })

  assert.equal(stock.ws.protocol, 'actioncable-v1-json')
  assert.equal(bare.ws.protocol, '')
  assert.equal((await bare.next()).type, 'welcome')
})

test('the cable refuses a page of another origin with 403, and admits a page of an allowed one', async t => {
  const cable = await startCable(t, ['--noauth', '--allowed_origins=example.com, *.example.io,*example.net,'])
  const status = async (origin?: string) => {
    const ws = new WebSocket(cable.url.cable, ['actioncable-v1-json'], origin === undefined ? {} : { origin })
    t.after(() => ws.terminate())
    ws.on('error', () => {})
    return await Promise.race([
      once(ws, 'open').then(() => 101),
      once(ws, 'unexpected-response').then(([, response]) => response.statusCode),
    ])
  }

  assert.equal(await status('https://example.com'), 101)
  assert.equal(await status('https://EXAMPLE.com'), 101)
  assert.equal(await status('https://a.example.io'), 101)
  assert.equal(await status('https://evilexample.io'), 403)
  assert.equal(await status('https://example.io'), 403)
  for (const host of ['example.net', 'a.example.net']) assert.equal(await status(`https://${host}`), 101)
  assert.equal(await status('https://evilexample.net'), 403)
  assert.equal(await status('https://example.com:8443'), 403)
  assert.equal(await status('null'), 403)
  assert.equal(await status(), 403)
})

test('the cable serves clients on several paths, and on no other', async t => {
  const cable = await startCable(t, ['--noauth', '--path=/cable,/live'])
  const live = await connect(t, cable.url.cable.replace('/cable', '/live'))
  assert.equal((await live.next()).type, 'welcome')

  const other = new WebSocket(cable.url.cable.replace('/cable', '/other'))
  const [, response] = await Promise.race([once(other, 'unexpected-response'), once(other, 'open')])
  assert.equal(response.statusCode, 404)
})
