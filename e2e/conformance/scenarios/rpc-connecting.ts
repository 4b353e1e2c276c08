/** RPC: what the app is asked about a client that connects, and what its answer does. */
import assert from 'node:assert/strict'
import { EXTENDED } from '../../../testing/client.ts'
import { visit } from '../../../testing/rpc-script.ts'
import { rpc } from '../flags.ts'
import type { Scenario, World } from '../world.ts'
import { calls, enter, lastCall, over, settled, subscribed, type Transport, unique } from './rpc-client.ts'

const REFUSED = '{"type":"disconnect","reason":"unauthorized","reconnect":false}'

export const connecting = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    {
      title: 'the app welcomes a client, and the cable adds nothing',
      async run(world) {
        const client = await world.connect({ query: visit(), protocols: EXTENDED })
        const welcome = await client.next()
        assert.deepEqual(Object.keys(welcome), ['type', 'sid'])
        client.sid = welcome.sid!
        assert.deepEqual(await client.answers(), [])
        assert.deepEqual(calls(world, client), ['connect'])
      },
    },
    {
      title: 'transmissions of the app arrive as it wrote them, in its order',
      async run(world) {
        const transmissions = ['{"type":"welcome"}', '{ "a" : "é\\u00e9<&>",  "b":1e2 }', '"text"']
        const client = await world.connect({ query: visit({ transmissions }) })
        assert.deepEqual([await client.text(), await client.text(), await client.text()], transmissions)
      },
    },
    {
      title: 'a client that the app refuses gets its transmissions, and is closed',
      async run(world) {
        const client = await world.connect({ query: visit({ status: 2 }) })
        assert.equal(await client.text(), REFUSED)
        assert.equal((await client.closed).code, 1000)
      },
    },
    {
      title: 'a client that the app refuses without a word is closed without a word',
      async run(world) {
        const client = await world.connect({ query: visit({ status: 2, transmissions: [] }) })
        assert.equal((await client.closed).code, 1000)
        await assert.rejects(client.text())
      },
    },
    {
      title: 'a refused client makes no Disconnect call',
      async run(world) {
        const refused = await world.connect({ query: visit({ status: 2 }, { user: 'refused' }) })
        await refused.closed
        const client = await enter(world)
        client.ws.close()
        await world.app.called('disconnect', client.sid)
        const ended = world.app.calls.filter(({ method }) => method === 'disconnect')
        assert.equal(
          ended.some(({ request }) => request.identifiers.includes('refused')),
          false,
        )
      },
    },
    {
      title: 'the app gets the URL of the client, with its query',
      async run(world) {
        const client = await enter(world, {}, { query: `${visit({}, { user: 'é' })}&a=1` })
        const { url } = lastCall(world, client, 'connect').request.env
        const { host, pathname } = new URL(world.server.cable)
        assert.deepEqual(
          [new URL(url).protocol, new URL(url).host, new URL(url).pathname, new URL(url).searchParams.get('user')],
          ['http:', host, pathname, 'é'],
        )
        assert.ok(url.endsWith('&a=1'))
      },
    },
    {
      title: 'the app gets the headers that are configured, and no others, and the address',
      async run(world) {
        const headers = { cookie: 'a=1; b=2==', origin: 'http://a.test', 'x-api-token': 't', 'x-other': 'no' }
        const client = await enter(world, {}, { headers })
        const got = lastCall(world, client, 'connect').request.env.headers
        const { 'x-other': _, ...wanted } = headers
        assert.deepEqual({ ...got, REMOTE_ADDR: '' }, { ...wanted, REMOTE_ADDR: '' })
        assert.match(got.REMOTE_ADDR!, /^(127\.0\.0\.1|::1)$/)
      },
    },
    {
      title: 'a header that the client does not send is absent',
      async run(world) {
        const client = await enter(world)
        assert.deepEqual(Object.keys(lastCall(world, client, 'connect').request.env.headers), ['REMOTE_ADDR'])
      },
    },
    {
      title: 'every call has the sid of the client, and the version of the protocol',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        await settled(client, identifier)
        const own = world.app.calls.filter(({ sid }) => sid === client.sid)
        assert.deepEqual(
          own.map(({ protov }) => protov),
          ['v1', 'v1', 'v1'],
        )
      },
    },
    {
      title: 'the app gets its identifiers and the state of the connection again with every command',
      async run(world) {
        const identifiers = '{"user":"gid://app/User/1", "b" : 2}'
        const client = await enter(world, { identifiers, env: { cstate: { _s_: '{"a":1}', locale: 'é' } } })
        await client.confirmed(unique())
        const { request } = lastCall(world, client, 'subscribe')
        assert.equal(request.connection_identifiers, identifiers)
        assert.deepEqual(request.env.cstate, { _s_: '{"a":1}', locale: 'é' })
      },
    },
    {
      title: 'a command changes the state of the connection name by name, and an empty value deletes',
      async run(world) {
        const client = await enter(world, { env: { cstate: { a: '1', b: '2', c: '3' } } })
        const identifier = unique({ env: { cstate: { a: '', b: 'new', d: '4' } } })
        await client.confirmed(identifier)
        await settled(client, identifier)
        assert.deepEqual(lastCall(world, client, 'message').request.env.cstate, { b: 'new', c: '3', d: '4' })
      },
    },
    {
      title: 'a backend disconnects a client by the identifiers of the app',
      async run(world) {
        const identifiers = `{"user":"${world.stream('kicked')}"}`
        const client = await enter(world, { identifiers })
        const other = await enter(world)
        const payload = { identifier: identifiers, reconnect: false }
        assert.equal((await world.post({ command: 'disconnect', payload })).status, 201)
        assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'remote', reconnect: false })
        await client.closed
        assert.deepEqual(await other.answers(), [])
      },
    },
    {
      title: 'two clients that the app gives the same identifiers are two',
      async run(world: World) {
        const identifiers = '{"user":"twice"}'
        const [one, two] = [await enter(world, { identifiers }), await enter(world, { identifiers })]
        assert.notEqual(one.sid, two.sid)
        one.ws.close()
        await world.app.called('disconnect', one.sid)
        assert.deepEqual(await two.answers(), [])
      },
    },
  ])
