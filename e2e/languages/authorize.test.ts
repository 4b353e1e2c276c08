/**
 * A running cable asks each helper whether clients may listen, and the helper's answers decide: the key, the question and the
 * answer mean the same on both sides, in every language.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { Program } from '../../backends/check/program.ts'
import { ADAPTERS } from '../../backends/harness/adapters.ts'
import { issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { startTurboCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'

const SECRET = 'canary s3cЯeT 🔑'
const IDENTITY = { user: 7, name: 'Zoë "日本" 🦄' }

for (const [language, { absent, command }] of Object.entries(ADAPTERS)) {
  if (absent !== undefined) console.error(`\n!!! ${absent}\n`)
  const skip = process.env.CI !== 'true' && absent !== undefined
  test(`the cable does what the helper in ${language} answers`, { skip }, async t => {
    const program = new Program(command(), { timeoutMs: 60_000 })
    t.after(() => program.end())
    const seen: string[] = []
    /** What the app permits: each stream by its name. */
    const app = createServer(async (request, response) => {
      const { authorization } = request.headers
      const body = await text(request)
      const allow = { refused: false, allowed: true, until: Math.floor(Date.now() / 1000) + 600 }[
        JSON.parse(body).stream as string
      ]
      const answer = await program.ask({ do: 'answer_subscribe', authorization, body, allow, secret: SECRET })
      const [, status, json, got] = /^(\d+) (\{.*?\})(?: (.*))?$/.exec('result' in answer ? String(answer.result) : '')!
      seen.push(got!)
      response.writeHead(Number(status), { 'content-type': 'application/json' }).end(json)
    })
    t.after(() => app.close())
    await once(app.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(app.address() as AddressInfo).port}/hotcable/subscribe`
    const cable = await startTurboCable(SECRET, [`--subscribe_url=${url}`, '--subscribe_streams=*'])
    t.after(() => cable.stop())
    const client = await connect(t, `${cable.url}?jid=${issueToken(IDENTITY, { secret: SECRET })}`)
    await client.welcomed()
    const answerTo = async (stream: string) =>
      (await client.subscribe(turboIdentifier(signStream(stream, { secret: SECRET })))).type

    assert.equal(await answerTo('refused'), 'reject_subscription')
    assert.equal(await answerTo('allowed'), 'confirm_subscription')
    assert.equal(await answerTo('until'), 'confirm_subscription')
    const [identity, stream] = JSON.parse(seen[0]!)
    assert.deepEqual([identity, stream], [IDENTITY, 'refused'])
    assert.equal(seen.length, 3)
  })
}
