/** Unmodified clients that offer HTTP/2 with their first request: Java's HttpClient and curl. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { JAVA, missing, type Tool } from '../backends/harness/toolchain.ts'
import { issueToken, signStream } from '../backends/typescript/hotcable.ts'
import { startTurboCable } from '../testing/cable.ts'
import { createCableProxy } from './cable-proxy.ts'
import { serve } from './serve.ts'
import { testApp } from './testing.ts'

const SECRET = 'canary of HTTP/2'
const LARGE = 'x'.repeat(70_000)
const run = promisify(execFile)

const CURL: Tool = {
  title: 'curl',
  needs: 'curl with HTTP/2',
  packages: ['curl'],
  isPresent: () =>
    run('curl', ['--version']).then(
      ({ stdout }) => stdout.includes('HTTP2'),
      () => false,
    ),
}

/** A cable behind the web app. */
async function start(t: TestContext) {
  const cable = await startTurboCable(SECRET)
  t.after(() => cable.child.kill())
  const { app } = await testApp(t)
  const web = await serve({
    fetch: app.fetch,
    cable: createCableProxy({ to: new URL(cable.broadcast).origin }),
    port: 0,
  })
  t.after(web.close)
  return { cable, page: `http://127.0.0.1:${web.port}/` }
}

const skip = async (tool: Tool): Promise<boolean> => {
  if (await tool.isPresent()) return false
  console.error(`\n!!! ${missing(tool)}\n`)
  return true
}

test("the JDK's client broadcasts, reads a page and listens through the web app", {
  skip: await skip(JAVA),
}, async t => {
  const { cable, page } = await start(t)
  const identifier = JSON.stringify({
    channel: 'Turbo::StreamsChannel',
    signed_stream_name: signStream('a', { secret: SECRET }),
  })

  const { stdout } = await run('java', ['web/Client.java'], {
    env: {
      PATH: process.env.PATH,
      CABLE_URL: `${page.replace('http', 'ws')}cable?jid=${issueToken({ user: 1 }, { secret: SECRET })}`,
      SUBSCRIBE: JSON.stringify({ command: 'subscribe', identifier }),
      PAGE_URL: page,
      BROADCAST_URL: cable.broadcast,
      BROADCAST_KEY: cable.key,
      PUBLICATION: JSON.stringify({ stream: 'a', data: JSON.stringify(LARGE) }),
    },
  })

  const [welcome, confirmed, read, sent, message] = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual([welcome.type, confirmed.type, read, sent], ['welcome', 'confirm_subscription', 200, 201])
  assert.ok(message.identifier === identifier && message.message === LARGE)
})

test('curl --http2 broadcasts and reads a page', { skip: await skip(CURL) }, async t => {
  const { cable, page } = await start(t)
  const status = async (...args: string[]) =>
    (await run('curl', ['--http2', '--silent', '--output', '/dev/null', '--write-out', '%{http_code}', ...args])).stdout

  assert.equal(await status(page), '200')
  assert.equal(await status(new URL('/health', cable.broadcast).href), '200')
  const publication = JSON.stringify({ stream: 'a', data: JSON.stringify(LARGE) })
  assert.equal(
    await status('--header', `Authorization: Bearer ${cable.key}`, '--data', publication, cable.broadcast),
    '201',
  )
})
