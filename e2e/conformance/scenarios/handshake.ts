/** The handshake: subprotocols, paths, origins, and what is refused before there is a WebSocket. */
import assert from 'node:assert/strict'
import { BASE, EXTENDED } from '../../../testing/client.ts'
import { CLOSED, OPEN, ORIGINS, PATHS } from '../flags.ts'
import { encode, type Handshake, HONEST } from '../raw.ts'
import { jwt, turbo } from '../signing.ts'
import type { Difference, Scenario, World } from '../world.ts'

const offer = (...names: string[]) => `Sec-WebSocket-Protocol: ${names.join(', ')}`
const TOKEN = `anycable-token.${jwt({ ext: 'ada' })}`
const PROXY = "the gem's proxy answers requests for other paths"

const subprotocols: Scenario[] = (
  [
    ['the cable agrees to the base protocol', [offer(BASE)], BASE],
    ['the cable agrees to the extended protocol', [offer(EXTENDED)], EXTENDED],
    ['of both, the cable chooses the base protocol, whatever the client prefers', [offer(EXTENDED, BASE)], BASE],
    ['an unknown protocol before a known one does not matter', [offer('graphql-ws', BASE)], BASE],
    ['a client that offers nothing is served without a subprotocol', [], null],
    ['a client that offers only unknown subprotocols is served without one', [offer('graphql-ws')], null],
    ['protocol names are compared byte for byte', [offer('ActionCable-v1-JSON')], null],
    ['a token is not taken for a protocol, and is never echoed', [offer(TOKEN)], null],
    ['a token beside a protocol is not echoed', [offer(TOKEN, EXTENDED)], EXTENDED],
    [
      'protocols may be offered in several header lines',
      [offer('graphql-ws'), offer(BASE)],
      BASE,
      { anycable: 'reads only the first line', why: 'bug: RFC 6455 allows several lines', expect: null },
    ],
  ] as [string, string[], string | null, (Difference & { expect: string | null })?][]
).map(([title, more, expected, differs]) => {
  const agrees = (expected: string | null) => async (world: World) => {
    const { raw, answer } = await world.raw({ more })
    assert.equal(answer.status, 101)
    assert.equal(answer.headers.get('sec-websocket-protocol'), expected)
    assert.equal(JSON.parse((await raw.text())!).type, 'welcome')
  }
  return {
    title,
    flags: OPEN,
    run: agrees(expected),
    ...(differs ? { differs: { ...differs, run: agrees(differs.expect) } } : {}),
  }
})

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const refused: Scenario[] = (
  [
    ['a plain GET', { lines: [] }, [400, 426], [400]],
    ['a POST', { method: 'POST' }, [400, 405], [405]],
    ['an Upgrade to something else', { lines: ['Upgrade: h2c', ...HONEST.slice(1), KEY] }, [400], [400]],
    ['version 7', { lines: [...HONEST.slice(0, 2), 'Sec-WebSocket-Version: 7', KEY] }, [426], [400]],
    ['no key', { lines: HONEST }, [400], [400]],
    ['an invalid key', { lines: [...HONEST, 'Sec-WebSocket-Key: short'] }, [400], [400]],
  ] as [string, Handshake, number[], number[]][]
).map(([about, handshake, ours, anycables]) => ({
  title: `the cable answers a handshake with ${about} with a status`,
  flags: OPEN,
  async run(world) {
    const { answer } = await world.raw(handshake)
    const legal = world.server.kind === 'hotcable' ? ours : anycables
    assert.ok(legal.includes(answer.status), `${answer.status}`)
  },
}))

const origins: Scenario[] = (
  [
    ['a listed host', 'https://app.test', 101],
    ['a listed host, in capitals', 'HTTPS://APP.TEST', 101],
    ['a listed host, over http', 'http://app.test', 101],
    ['a subdomain of a wildcard', 'https://a.b.example.io', 101],
    ['a host listed with its port', 'https://other.test:3000', 101],
    ['a listed host, on another port', 'https://app.test:3000', 403],
    ['a host listed with another port', 'https://other.test', 403],
    ['the bare domain of a wildcard', 'https://example.io', 403],
    ['a domain that only ends like a wildcard', 'https://evilexample.io', 403],
    ['a domain that begins like a listed one', 'https://app.test.evil.io', 403],
    ['null', 'null', 403],
    ['no Origin', undefined, 403],
  ] as [string, string | undefined, number][]
).map(([about, origin, status]) => ({
  title: `with --allowed_origins, the cable answers an Origin with ${status}: ${about}`,
  flags: ORIGINS,
  async run(world) {
    const { answer } = await world.raw({ more: origin === undefined ? [] : [`Origin: ${origin}`] })
    assert.equal(answer.status, status)
  },
}))

export const handshake: Scenario[] = [
  ...subprotocols,
  ...refused,
  ...origins,
  {
    title: 'without --allowed_origins every origin may connect',
    flags: OPEN,
    async run(world) {
      assert.equal((await world.raw({ more: ['Origin: https://anywhere.test'] })).answer.status, 101)
    },
  },
  {
    title: 'the cable answers an unknown path with 404',
    flags: OPEN,
    absent: PROXY,
    async run(world) {
      for (const path of ['/', '/cables', '/cable/', '/CABLE'])
        assert.equal((await world.raw({ path })).answer.status, 404, path)
    },
  },
  {
    title: 'clients may connect at several paths',
    flags: PATHS,
    absent: PROXY,
    async run(world) {
      for (const path of ['/cable', '/admin/cable?pi=5']) {
        const { raw, answer } = await world.raw({ path })
        assert.equal(answer.status, 101)
        assert.match((await raw.text())!, /"welcome"/)
      }
      assert.equal((await world.raw({ path: '/admin' })).answer.status, 404)
    },
  },
  {
    title: 'the health check answers 200 to any method, without a key',
    flags: CLOSED,
    absent: PROXY,
    async run(world) {
      for (const method of ['GET', 'HEAD', 'POST'])
        assert.equal((await fetch(`${world.server.http}/health`, { method })).status, 200, method)
    },
  },
  {
    title: 'the cable does not compress unless a client asks for it',
    flags: OPEN,
    async run(world) {
      const { answer } = await world.raw({ more: ['Sec-WebSocket-Extensions: permessage-deflate'] })
      assert.equal(answer.headers.get('sec-websocket-extensions'), null)
    },
  },
  {
    title: 'the welcome comes first, has these bytes, and a sid that no other session has',
    flags: OPEN,
    async run(world) {
      const texts = await Promise.all([1, 2, 3].map(async () => (await world.connect()).text()))
      const sids = texts.map(text => /^\{"type":"welcome","sid":"([\w-]{20,})"\}$/.exec(text)?.[1])
      assert.ok(!sids.includes(undefined), texts.join())
      assert.equal(new Set(sids).size, 3)
    },
  },
  {
    title: 'commands that a client sends before its welcome are answered after it, in order',
    flags: OPEN,
    async run(world) {
      const client = await world.connect()
      const identifiers = [1, 2, 3].map(() => turbo(world.stream()))
      for (const identifier of identifiers) client.command('subscribe', identifier)
      const frames = [await client.next(), ...(await client.answers())]
      assert.deepEqual(
        frames.map(({ type, identifier }) => identifier ?? type),
        ['welcome', ...identifiers],
      )
    },
  },
  {
    title: 'a command in the same packet as the handshake does no harm',
    flags: OPEN,
    async run(world) {
      const { raw, answer } = await world.raw({}, encode('{"command":"ping"}'))
      assert.equal(answer.status, 101)
      assert.match((await raw.text())!, /"welcome"/)
      assert.equal(await raw.text(), '{"type":"pong"}')
    },
    differs: {
      anycable: 'drops the connection without an answer',
      why: 'bug: an early command is not wrong',
      async run(world) {
        const { answer } = await world.raw({}, encode('{"command":"ping"}'))
        assert.notEqual(answer.status, 101)
      },
    },
  },
  {
    title: 'X-Request-ID, which any client can send, does not become the sid',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed({ headers: { 'x-request-id': 'chosen-by-the-client' } })
      assert.notEqual(client.sid, 'chosen-by-the-client')
    },
    differs: {
      anycable: 'takes it for the sid',
      why: 'hole: a client that knows a sid is left out in its place, or resumes in its place',
      async run(world) {
        const id = world.stream('request')
        assert.equal((await world.welcomed({ headers: { 'x-request-id': id } })).sid, id)
      },
    },
  },
  {
    title: 'a client with a token still needs an allowed origin',
    flags: ORIGINS,
    async run(world) {
      const { answer } = await world.raw({ more: ['Origin: https://evil.test', offer(BASE, TOKEN)] })
      assert.equal(answer.status, 403)
    },
  },
]
