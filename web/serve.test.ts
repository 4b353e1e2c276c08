import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PortInUse, serve } from './serve.ts'

const options = { fetch: () => new Response('ok'), upgrade: () => {}, port: 0 }

test('it listens on every interface', async t => {
  const server = await serve(options)
  t.after(server.close)

  assert.equal(await (await fetch(`http://127.0.0.1:${server.port}/`)).text(), 'ok')
})

test('a port that is in use is said so, with what to do', async t => {
  const first = await serve({ ...options, host: '127.0.0.1' })
  t.after(first.close)

  await assert.rejects(serve({ ...options, host: '127.0.0.1', port: first.port }), error => {
    assert.ok(error instanceof PortInUse)
    assert.match(error.message, new RegExp(`port ${first.port} is in use`))
    return true
  })
})

test('closing waits for an answer that is on its way', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<Response>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const server = await serve({
    ...options,
    fetch: () => {
      ask()
      return answer
    },
  })
  const response = fetch(`http://127.0.0.1:${server.port}/`)
  await asked

  const closed = server.close()
  resolve(new Response('late'))

  assert.equal(await (await response).text(), 'late')
  await closed
})
