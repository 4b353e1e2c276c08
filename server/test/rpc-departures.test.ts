/**
 * Clients that have gone: the application hears of each once, and never of one that is still there, or may come back.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause, setImmediate } from 'node:timers/promises'
import { startCable as startProcess } from '../../testing/cable.ts'
import { connect, EXTENDED } from '../../testing/client.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, visit } from '../../testing/rpc-script.ts'
import { counted, METRICS, open, refused, startCable, type TestCable, token } from './test-cable.ts'

const ADA = visit({ identifiers: '{"user":"ada"}' })

/** Rates and limits hold for each node, and only a session of the same node lets the one that resumes it wait. */
const ONE_NODE = { skip: process.env.HOTCABLE_TEST_NODES === undefined ? false : 'it holds for each node' }

/** A cable with a clock of the test. */
async function start(t: TestContext, flags: string[] = []) {
  const app = await startRpcApp(t)
  let passed = 0
  /** Of each node. */
  const upkeeps: (() => void)[] = []
  const cable = await startCable(
    t,
    [`--rpc_host=${app.host}`, '--http_rpc_secret=none', METRICS, '--public_streams', ...flags],
    {
      monotonic: () => performance.now() + passed,
      every(_, then) {
        upkeeps.push(then)
        return () => {}
      },
    },
  )
  const pass = (seconds: number) => {
    passed += 1000 * seconds
    for (const upkeep of upkeeps) upkeep()
  }
  const methods = () => app.calls.map(({ method, request }) => request.command || method)
  const resume = (sid: string, query = ADA) => cable.welcomed({ protocols: EXTENDED, query: `${query}&sid=${sid}` })
  return { app, cable, pass, methods, resume }
}

test('a client that resumes its session keeps streams and states, and the app hears of one more connect alone', async t => {
  const { app, cable, pass, methods, resume } = await start(t)
  const query = visit({ identifiers: '{"user":"ada"}', env: { cstate: { of: 'connect' } } })
  const client = await cable.welcomed({ protocols: EXTENDED, query })
  const chat = channel({ streams: ['chat'], env: { istate: { n: '1', $w: 'chat' }, cstate: { of: 'subscribe' } } })
  await client.confirmed(chat)
  client.command('message', chat, act({ streams: ['more'], env: { istate: { m: '2' } } }))
  await client.confirmed(open('room'))
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)
  await cable.broadcast('more', 'missed')

  const again = await resume(client.welcome.sid!, query)
  assert.deepEqual([again.welcome.restored, new Set(again.welcome.restored_ids)], [true, new Set([chat, open('room')])])
  again.command('history', chat, { history: { streams: {}, since: 1 } })
  assert.equal((await again.until(({ type }) => type === 'confirm_history'))[0]!.message, 'missed')
  await cable.broadcast('chat', 'live')
  assert.equal((await again.next()).message, 'live')
  again.command('message', chat, act())
  again.send({ command: 'ping' })
  assert.equal((await again.next()).type, 'pong')
  pass(60)
  assert.deepEqual(methods(), ['connect', 'subscribe', 'message', 'connect', 'message'])
  const { request, sid } = app.calls.at(-1)!
  assert.deepEqual([request.env.cstate, request.env.istate], [{ of: 'connect' }, { n: '1', $w: 'chat', m: '2' }])
  assert.equal(sid, again.welcome.sid)
})

test('only an equal identity gets a lost session back', async t => {
  const { cable, resume } = await start(t)
  const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)

  const eve = await resume(client.welcome.sid!, visit({ identifiers: '{"user":"eve"}' }))
  assert.equal(eve.welcome.restored, undefined)
  assert.equal((await resume(client.welcome.sid!)).welcome.restored, true)
})

test('the app hears of a lost session when nothing can resume it any more', async t => {
  const { app, cable, pass, methods, resume } = await start(t)
  const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
  await client.confirmed(channel())
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)
  pass(14)
  assert.equal(await counted(cable, 'disconnect_queue_size'), 1)
  assert.deepEqual(methods(), ['connect', 'subscribe'])
  pass(2)
  const { sid } = await app.called('disconnect')

  assert.equal(sid, client.welcome.sid!)
  const again = await resume(client.welcome.sid!)
  assert.equal(again.welcome.restored, undefined)
  assert.equal(await counted(cable, 'disconnect_queue_size'), 0)
})

test('a client that comes back before the cable notices that it was lost is one client for the app', async t => {
  const { cable, pass, methods, resume } = await start(t)
  const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
  await client.confirmed(channel({ streams: ['chat'] }))
  const again = await resume(client.welcome.sid!)
  assert.equal(again.welcome.restored, true)
  await client.closed
  await cable.until(({ sessions }) => sessions === 1)
  pass(60)
  await cable.stats()

  assert.deepEqual(methods(), ['connect', 'subscribe', 'connect'])
})

test('a session with a token resumes with the states of the app', async t => {
  const { app, cable, resume } = await start(t)
  const query = `?jid=${token({ ext: '{"user":"ada"}' })}`
  const client = await cable.welcomed({ protocols: EXTENDED, query })
  const chat = channel({ streams: ['chat'], env: { cstate: { c: '1' } } })
  await client.confirmed(chat)
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)
  const again = await resume(client.welcome.sid!, query)
  again.command('message', chat, act({ transmissions: ['{"n":1}'] }))

  assert.equal((await again.next()).n, 1)
  assert.deepEqual(app.calls.at(-1)!.request.env.cstate, { c: '1' })
})

test('a remote disconnect ends the lost sessions of an identity for the app, too', async t => {
  const { app, cable } = await start(t)
  const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)
  await cable.post({ command: 'disconnect', payload: { identifier: '{"user":"ada"}' } })

  assert.equal((await app.called('disconnect')).sid, client.welcome.sid!)
})

for (const [mode, withToken, withoutToken] of [
  ['auto', 0, 1],
  ['always', 1, 1],
  ['never', 0, 0],
] as const) {
  test(`--disconnect_mode=${mode} counts for clients with a token, and without`, async t => {
    const { app, cable, methods } = await start(t, [`--disconnect_mode=${mode}`])
    const gone = () => methods().filter(method => method === 'disconnect').length
    const client = await cable.welcomed({ query: `?jid=${token({ ext: 'ada' })}` })
    client.command('subscribe', JSON.stringify({ channel: '$pubsub', signed_stream_name: 'forged' }))
    assert.equal((await client.next()).type, 'reject_subscription')
    await client.drop()
    await cable.until(({ sessions }) => sessions === 0)
    if (withToken > 0) await app.called('disconnect')
    assert.equal(gone(), withToken)

    await (await cable.welcomed()).drop()
    await cable.until(({ sessions }) => sessions === 0)
    if (withoutToken > 0) await app.called('disconnect')
    assert.equal(gone(), withToken + withoutToken)
  })
}

test(
  'clients that go at once wait for --disconnect_rate; a cable that stops tells of all, also of lost sessions',
  ONE_NODE,
  async t => {
    const { app, cable } = await start(t, ['--disconnect_rate=2'])
    const clients = await Promise.all(Array.from({ length: 8 }, () => cable.welcomed({ query: ADA })))
    const lost = await cable.welcomed({ protocols: EXTENDED, query: ADA })
    await lost.drop()
    await Promise.all(clients.slice(0, 6).map(client => client.drop()))
    await cable.until(({ sessions }) => sessions === 2)
    for (let n = 0; n < 2; n++) await app.called('disconnect')
    while ((await counted(cable, 'disconnect_queue_size')) > 5) await setImmediate()
    assert.equal(await counted(cable, 'disconnect_queue_size'), 5)
    await cable.close()

    const gone = app.calls.filter(({ method }) => method === 'disconnect').map(({ sid }) => sid)
    assert.deepEqual(new Set(gone), new Set([...clients, lost].map(({ welcome }) => welcome.sid)))
    assert.equal(gone.length, 9)
  },
)

test('a cable that stops waits for the app no longer than --shutdown_timeout', async t => {
  const { app, cable } = await start(t, ['--shutdown_timeout=1'])
  await cable.welcomed({ query: ADA })
  app.before = () => 'hang'
  const started = performance.now()
  await cable.close()

  assert.ok(performance.now() - started < 10_000)
  assert.equal(await refused(cable, 'internal').catch(() => 0), 0)
})

test('a cable that stops while the app is away still tells the app which clients have gone', async t => {
  const app = await startRpcApp(t)
  const cable = await startProcess([
    ...[`--rpc_host=${app.host}`, '--http_rpc_secret=none', '--public_streams', '--shutdown_timeout=20'],
  ])
  t.after(() => cable.stop('SIGKILL'))
  const { sid } = (await connect(t, `${cable.url}${ADA}`).then(client => client.welcomed())) as { sid: string }
  await app.stop()
  const stopped = cable.stop()
  await pause(500)
  assert.equal(cable.child.exitCode, null)
  await app.start()

  assert.equal((await app.called('disconnect')).sid, sid)
  assert.equal((await stopped).code, 0)
})

test(
  'the app hears that a client has gone, if the app admitted it and the cable then refused it',
  ONE_NODE,
  async t => {
    const { app, cable } = await start(t, ['--max_sessions=1', '--sse'])
    const first = await cable.welcomed({ query: ADA })
    const second = await cable.connect({ query: ADA })
    assert.equal((await second.next()).type, 'disconnect')
    const connects = () => app.calls.filter(({ method }) => method === 'connect').map(({ sid }) => sid)
    assert.equal((await app.called('disconnect')).sid, connects()[1])

    await first.drop()
    await app.called('disconnect', first.welcome.sid)
    const events = cable.url.cable.replace(/^ws(.*)cable$/, 'http$1events')
    for (const init of [{}, { method: 'POST', body: '{' }]) {
      const answer = await fetch(events + ADA, init)
      assert.equal(answer.status, 400)
      const { sid, request } = await app.called('disconnect')
      assert.deepEqual([sid, request.identifiers, request.subscriptions], [connects().at(-1), '{"user":"ada"}', []])
    }
  },
)

test('the app hears that a client has gone, if a backend disconnected it while the app admitted it', async t => {
  const { app, cable } = await start(t)
  const held = Promise.withResolvers<undefined>()
  app.before = ({ method }) => (method === 'connect' ? held.promise : undefined)
  const client = await cable.connect({ query: ADA })
  const { sid } = await app.called('connect')
  await cable.post({ command: 'disconnect', payload: { identifier: '{"user":"ada"}' } })
  held.resolve(undefined)

  assert.equal((await client.next()).reason, 'remote')
  assert.equal((await app.called('disconnect')).sid, sid)
})

/** A client whose action runs until `held` resolves. */
async function acting({ app, cable }: Awaited<ReturnType<typeof start>>) {
  const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
  const chat = channel({ streams: ['chat'] })
  await client.confirmed(chat)
  const held = Promise.withResolvers<undefined>()
  app.before = ({ request }) => (request.command === 'message' ? held.promise : undefined)
  client.command('message', chat, act({ env: { istate: { n: '1' } } }))
  while ((await app.called('command')).request.command !== 'message');
  return { client, held }
}

test(
  'a client that leaves while it waits for its former session takes nothing, and the app hears of both',
  ONE_NODE,
  async t => {
    const all = await start(t)
    const { app, cable, methods, pass } = all
    const { client, held } = await acting(all)
    const sid = client.welcome.sid!
    const second = await cable.connect({ protocols: EXTENDED, query: `${ADA}&sid=${sid}` })
    await app.called('connect', sid)
    const { sid: secondSid } = await app.called('connect')
    await cable.stats()
    await second.drop()
    assert.equal((await app.called('disconnect')).sid, secondSid)
    await client.drop()
    held.resolve(undefined)
    // (Redis alone knows the number of lost sessions.)
    await cable.until(({ sessions, lost_sessions = 1 }) => sessions === 0 && lost_sessions === 1)

    pass(100_000)
    assert.equal((await app.called('disconnect')).sid, sid)
    assert.equal(methods().filter(method => method === 'disconnect').length, 2)
  },
)

test('a client that comes again and leaves takes no subscribe from the session that waits', ONE_NODE, async t => {
  const all = await start(t)
  const { app, cable } = all
  const { client, held } = await acting(all)
  const news = channel({ streams: ['news'] })
  client.command('subscribe', news)
  const second = await cable.connect({ protocols: EXTENDED, query: `${ADA}&sid=${client.welcome.sid}` })
  await app.called('connect', client.welcome.sid)
  await app.called('connect')
  await cable.stats()
  await second.drop()
  while ((await counted(cable, 'arriving_num')) > 0);
  held.resolve(undefined)

  await client.until(({ type, identifier }) => type === 'confirm_subscription' && identifier === news)
})

test('a session whose connection closes after its client came again is resumed all the same', async t => {
  const all = await start(t)
  const { app, cable, methods, resume, pass } = all
  const { client, held } = await acting(all)
  const resuming = resume(client.welcome.sid!)
  await app.called('connect', client.welcome.sid)
  await app.called('connect')
  await cable.stats()
  await client.drop()
  held.resolve(undefined)

  const again = await resuming
  assert.equal(again.welcome.restored, true)
  pass(100_000)
  await cable.until(({ sessions, lost_sessions = 0 }) => sessions === 1 && lost_sessions === 0)
  assert.ok(!methods().includes('disconnect'))
})

test('the app hears of a session that a backend ends while its client waits to resume it', ONE_NODE, async t => {
  const all = await start(t)
  const { app, cable } = all
  const { client } = await acting(all)
  const second = await cable.connect({ protocols: EXTENDED, query: `${ADA}&sid=${client.welcome.sid}` })
  await app.called('connect', client.welcome.sid)
  const { sid } = await app.called('connect')
  await cable.stats()
  await cable.post({ command: 'disconnect', payload: { identifier: '{"user":"ada"}' } })

  assert.equal((await client.until(({ type }) => type === 'disconnect')).at(-1)!.reason, 'remote')
  assert.equal((await second.until(({ type }) => type === 'disconnect')).at(-1)!.reason, 'remote')
  const told = [(await app.called('disconnect')).sid, (await app.called('disconnect')).sid]
  assert.deepEqual(told.toSorted(), [client.welcome.sid, sid].toSorted())
})

for (const isDropped of [false, true])
  test(
    `a session that is resumed while its action runs keeps what the action changes, ${isDropped ? 'after' : 'before'} its connection is lost`,
    ONE_NODE,
    async t => {
      const { app, cable, resume } = await start(t)
      const client = await cable.welcomed({ protocols: EXTENDED, query: ADA })
      const chat = channel({ streams: ['chat'] })
      await client.confirmed(chat)
      const held = Promise.withResolvers<undefined>()
      app.before = ({ request }) => (request.command === 'message' ? held.promise : undefined)
      client.command('message', chat, act({ env: { istate: { n: '1' }, cstate: { c: '1' } } }))
      while ((await app.called('command')).request.command !== 'message');
      if (isDropped) await client.drop()
      const resuming = resume(client.welcome.sid!)
      await app.called('connect', client.welcome.sid)
      await app.called('connect')
      await cable.stats()
      held.resolve(undefined)
      const again = await resuming

      assert.equal(again.welcome.restored, true)
      again.command('message', chat, act({ transmissions: ['{"n":1}'] }))
      await again.until(({ n }) => n === 1)
      const { env } = app.calls.at(-1)!.request
      assert.deepEqual([env.istate, env.cstate.c], [{ n: '1' }, undefined])
      await cable.until(({ sessions, lost_sessions = 0 }) => sessions === 1 && lost_sessions === 0)
    },
  )

for (const [how, end] of [
  ['a remote disconnect', (cable: TestCable) => cable.post({ command: 'disconnect', payload: { identifier: 'ada' } })],
  ['a shutdown', (cable: TestCable) => cable.close()],
] as const)
  test(`the app hears of an unsubscribe that waits for its turn while ${how} ends the session`, ONE_NODE, async t => {
    const { app, cable } = await start(t, ['--rpc_concurrency=1'])
    const [client, other] = [
      await cable.welcomed({ query: visit({ identifiers: 'ada' }) }),
      await cable.welcomed({ query: visit({ identifiers: 'bob' }) }),
    ]
    const chat = channel({}, { name: 'ada' })
    await client.confirmed(chat)
    const held = Promise.withResolvers<undefined>()
    app.before = ({ request }) => (request.command === 'subscribe' ? held.promise : undefined)
    other.command('subscribe', channel({}, { name: 'bob' }))
    while (!(await app.called('command')).request.identifier.includes('bob'));
    client.command('unsubscribe', chat)
    while ((await counted(cable, 'rpc_pending_num')) === 0);
    const ending = end(cable)
    await client.closed
    held.resolve(undefined)

    const calls = [await app.called('command'), await app.called('disconnect', client.welcome.sid)]
    assert.deepEqual(
      calls.map(({ request }) => [request.command, request.identifier, request.subscriptions]),
      [
        ['unsubscribe', chat, []],
        ['', '', []],
      ],
    )
    await ending
  })
