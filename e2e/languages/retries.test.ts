/**
 * A cable takes a broadcast, and its answer is lost: every helper tries again, and every page gets one message.
 *
 *   helper ──▶ a proxy that loses the first answer ──▶ cable ──▶ client
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, type TestContext, test } from 'node:test'
import type { Question } from '../../backends/check/program.ts'
import { describeHelpers, HTML, succeeds } from '../../backends/harness/every-helper.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'

const SECRET = 'canary retries'

const LOSSES: Record<string, (response: ServerResponse) => void> = {
  'does not come in time': () => {},
  'is cut off by a close': ({ socket }) => socket!.destroy(),
  'is cut off by a reset': ({ socket }) => socket!.resetAndDestroy(),
  'is a 503 of the proxy': response => response.writeHead(503).end(),
}

let cable: TurboCable
before(async () => {
  cable = await startTurboCable(SECRET)
})
after(() => cable.child.kill())

describeHelpers('a broadcast that the cable took', helper => {
  const ask = async (question: Question) => {
    const answer = await helper.program.ask({ secret: SECRET, ...question })
    assert.ok('result' in answer, JSON.stringify(answer))
    return String(answer.result)
  }

  for (const [how, lose] of Object.entries(LOSSES))
    test(`is one message when the helper tries again, because the answer ${how}`, async t => {
      const stream = `retries/${helper.program.pid}/${how}`
      const token = await ask({ do: 'issue_token', identity: { user: 1 }, ttl: 600 })
      const client = await connect(t, `${cable.url}?jid=${token}`)
      await client.welcomed()
      await client.confirmed(turboIdentifier(await ask({ do: 'sign_stream', stream })))
      const proxy = await startProxy(t, lose)

      // On a busy machine a helper may try once more, with the same id.
      succeeds(await helper.broadcast({ stream, url: proxy.url, key: cable.key, timeout: 2, retries: 20 }))
      await post({ stream, data: '"last"' })

      assert.deepEqual([(await client.next()).message, (await client.next()).message], [HTML, 'last'])
      assert.ok(proxy.statuses.length >= 2)
      assert.deepEqual(new Set(proxy.statuses), new Set([201]))
    })
})

/** Forwards requests to the cable, and loses its first answer. */
async function startProxy(t: TestContext, lose: (response: ServerResponse) => void) {
  /** The cable's answers. */
  const statuses: number[] = []
  const server = createServer(async (request, response) => {
    const { status } = await post(await text(request))
    if (statuses.push(status) === 1) lose(response)
    else response.writeHead(status).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/_broadcast`, statuses }
}

const post = (body: string | object): Promise<Response> =>
  fetch(cable.broadcast, {
    method: 'POST',
    headers: { authorization: `Bearer ${cable.key}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
