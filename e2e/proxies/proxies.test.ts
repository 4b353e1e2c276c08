/** The cable and the Boards behind the real nginx, HAProxy and Caddy, in common configurations. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { missing } from '../../backends/harness/toolchain.ts'
import { broadcast, broadcastKey, issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'
import { CONFIGS } from './configs.ts'
import { type Demo, type RunningProxy, SECRET, startDemo, startProxy } from './start.ts'

const KEY = broadcastKey({ secret: SECRET })
const OVER_THE_LIMIT = 'x'.repeat(2 * 1024 * 1024)
/** Node's own servers end an idle connection after 5 s. */
const IDLE_MS = 6000

const found = await Promise.all(
  Object.entries(CONFIGS).map(async ([name, { tool }]) => ({ name, tool, isPresent: await tool.isPresent() })),
)
const present = found.filter(({ isPresent }) => isPresent).map(({ name }) => name)
const running = new Map<string, RunningProxy>()
const proxies = () => [...running.values()]
let demo: Demo | undefined

before(async () => {
  const started = await startDemo()
  demo = started
  for (const name of present) running.set(name, await startProxy(name, started))
  await Promise.all(proxies().map(proxy => proxy.ready()))
})
after(async () => {
  await Promise.all(proxies().map(proxy => proxy.stop()))
  await demo?.stop()
})

for (const { name, tool, isPresent } of found) {
  if (isPresent) describe(name, () => tests(name, () => running.get(name)!))
  else {
    console.error(`\n!!! ${missing(tool)}\n`)
    test(name, { skip: process.env.CI !== 'true' }, () => assert.fail(missing(tool)))
  }
}

test('HAProxy finds the cable and web healthy by its plain check, HTTP/1.0 without Host', {
  skip: present.includes('HAProxy') ? false : 'HAProxy is not installed',
}, async () => {
  const { at } = running.get('HAProxy')!
  const checks = async () => {
    const [head, ...rows] = (await (await fetch(`${at.cable}/haproxy;csv`)).text()).replace('# ', '').trim().split('\n')
    const columns = head!.split(',')
    const servers = rows.map(row => Object.fromEntries(row.split(',').map((value, at) => [columns[at], value])))
    return servers
      .filter(({ svname }) => !/END$/.test(svname!))
      .map(({ status, check_status, check_code }) => `${status} ${check_status} ${check_code}`)
  }

  let read: string[] = []
  // A star: a check is running. L7TOUT: this machine was too slow for it.
  await until(async () => {
    read = await checks()
    return !read.some(check => /INI|\*|TOUT/.test(check))
  })

  assert.deepEqual(read, Array(4).fill('UP L7OK 200'))
})

test('each proxy reuses a connection that was idle for 6 s', async t => {
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const asked = proxies().flatMap(({ at, counts }) =>
    (['counted_cable', 'counted_web'] as const).map(site => ({ url: `${at[site]}/idle`, count: counts[site].count })),
  )
  const ask = () => Promise.all(asked.map(({ url }) => statusOf(url, agent)))
  // Not counting the connections of HAProxy's checks.
  const connections = () => asked.map(({ count }) => count(/^\/idle/))
  assert.deepEqual(
    await ask(),
    asked.map(() => 404),
  )
  const before = connections()
  const said = proxies().map(proxy => proxy.said.length)

  await pause(IDLE_MS)

  assert.deepEqual(
    await ask(),
    asked.map(() => 404),
  )
  assert.deepEqual(connections(), before)
  assert.deepEqual(
    proxies().map(proxy => proxy.said.length),
    said,
  )
})

function tests(name: string, proxy: () => RunningProxy): void {
  const token = () => issueToken({ proxy: name }, { secret: SECRET })
  const signed = signStream(name, { secret: SECRET })
  const send = (html: string) => broadcast(name, html, { url: `${proxy().at.cable}/_broadcast`, key: KEY })
  const join = async (t: TestContext) => {
    const client = await connect(t, `${proxy().at.cable.replace('http', 'ws')}/cable?jid=${token()}`)
    await client.welcomed()
    await client.confirmed(turboIdentifier(signed))
    return client
  }

  test('a WebSocket gets a broadcast', async t => {
    const client = await join(t)

    await send('hello')

    assert.equal((await client.next()).message, 'hello')
  })

  test('server-sent events arrive while the answer is open, and after a reconnect with Last-Event-ID', async t => {
    const url = `${proxy().at.cable}/events?turbo_signed_stream_name=${encodeURIComponent(signed)}&jid=${token()}`
    const first = await listen(t, url)
    await first.until(({ type }) => type === 'confirm_subscription')
    await send('first')
    const { id } = await first.until(({ data }) => data.includes('first'))
    first.close()
    await send('second')

    const next = await listen(t, url, id)

    assert.equal((await next.until(({ type }) => type === 'message')).data, 'second')
  })

  test("a page of each Board connects to the URL in it, and its form passes; another site's form does not", async t => {
    const { web } = proxy().at
    for (const board of demo!.boards) {
      const page = await (await fetch(web + board)).text()
      const [, url] = /<meta name="cable-url" content="([^"]+)"/.exec(page)!
      assert.equal(url, `${web.replace('http', 'ws')}/cable`, board)
      const client = await connect(t, `${url}?jid=${/<meta name="cable-token" content="([^"]+)"/.exec(page)![1]}`)
      await client.welcomed()
      await client.confirmed(turboIdentifier(/ signed-stream-name="([^"]+)"/.exec(page)![1]!))
      const add = async (origin: string) => {
        const answer = await fetch(`${web}${board}cards`, {
          ...{ method: 'POST', redirect: 'manual', headers: { origin } },
          body: new URLSearchParams({ body: `from ${origin}` }),
        })
        await answer.text()
        return answer.status
      }

      assert.equal(await add('http://other.test'), 403, board)
      assert.equal(await add(web), 303, board)
      assert.match(String((await client.next()).message), new RegExp(`from ${web}`))
    }
  })

  test('the cable answers a broadcast over the limit with 413', async () => {
    await assert.rejects(send(OVER_THE_LIMIT), { name: 'BroadcastFailed', message: /413/ })
  })

  test('a page reconnects through a proxy that restarted', async t => {
    const client = await join(t)

    proxy().child.restart()

    await assert.rejects(client.next(), /closed with/)
    await until(async () => (await demo!.listeners(name)) === 0)
    await proxy().ready()
    const again = await join(t)
    await send('again')
    assert.equal((await again.next()).message, 'again')
  })
}

async function statusOf(url: string, agent: Agent): Promise<number | undefined> {
  const [answer] = await once(get(url, { agent }), 'response')
  await text(answer)
  return answer.statusCode
}

interface Event {
  type: string
  id: string
  data: string
}

/** Reads server-sent events one by one. */
async function listen(t: TestContext, url: string, lastEventId?: string) {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const headers = new Headers(lastEventId === undefined ? {} : { 'last-event-id': lastEventId })
  const { status, headers: answered, body } = await fetch(url, { headers, signal: abort.signal })
  assert.equal(status, 200)
  // A proxy that compresses events may delay them.
  assert.equal(answered.get('content-encoding'), null)
  const events = parse(body!.pipeThrough(new TextDecoderStream()))
  return {
    until: async (wanted: (event: Event) => boolean): Promise<Event> => {
      for (;;) {
        const { value } = await events.next()
        assert.ok(value !== undefined, 'the events ended')
        if (wanted(value)) return value
      }
    },
    close: () => abort.abort(),
  }
}

async function* parse(chunks: AsyncIterable<string>): AsyncGenerator<Event, undefined> {
  let rest = ''
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
      yield { type: field('event') ?? 'message', id: field('id') ?? '', data: field('data') ?? '' }
    }
  }
}

async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is())) await pause(20)
}
