/**
 * Checks hotcable.ts against the shared vectors, and its requests against a server on this machine.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { after, beforeEach, describe, test } from 'node:test'
import { known, within } from '../harness/within.ts'
import {
  answerSubscribe,
  BroadcastFailed,
  broadcast,
  disconnect,
  issueToken,
  metaTags,
  position,
  publication,
  publish,
  scriptTag,
  signStream,
  sourceTag,
  streamFrom,
  TURBO_STREAM,
  turboStream,
  wantsTurboStream,
} from './hotcable.ts'

const vectors = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'))
const tokens = vectors('tokens')
const streams = vectors('signed-streams')
const tags = vectors('tags')
const broadcasts = vectors('broadcasts')
const settings = vectors('settings')
const subscribes = vectors('subscribes')

for (const name of Object.keys(process.env)) if (name.startsWith('ANYCABLE_')) delete process.env[name]

/** Answers as the test sets, and records the requests. */
interface Asked {
  method: string | undefined
  path: string | undefined
  type: string | undefined
  authorization: string | undefined
  body: string
}
let answer: (response: ServerResponse) => void
const asked: Asked[] = []
const cable = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  const { method, url: path, headers } = request
  const authorization = headers.authorization && Buffer.from(headers.authorization, 'latin1').toString()
  asked.push({ method, path, type: headers['content-type'], authorization, body: withoutId(body) })
  answer(response)
})
/** As in the vectors: ID stands for an id, which is random. */
const withoutId = (body: string): string => body.replaceAll(/"meta":\{"id":"[\w-]{22}"/g, '"meta":{"id":"ID"')
const listening = await listen(cable)
const url = `${listening}/_broadcast`
/** A byte every 50 ms, for long: no single read of a client ever waits. */
const dripping = createTcpServer(socket => {
  socket.write('HTTP/1.1 200 OK\r\nX: ')
  const drip = setInterval(() => socket.write('x'), 50)
  socket.on('error', () => {}).on('close', () => clearInterval(drip))
})
const closed = createTcpServer()
const refusing = await listen(closed)
closed.close()

beforeEach(() => {
  asked.length = 0
  answer = says(201)
})
after(() => {
  cable.closeAllConnections()
  cable.close()
  dripping.close()
})

describe('bytes', () => {
  for (const { id, identity, secret = tokens.secret, ttl, now, token } of tokens.produce)
    test(`a token: ${id}`, () => assert.equal(issueToken(identity, { secret, ttl, now }), token))

  const expiring = streams.refuse.filter((c: object) => 'expires_in' in c)
  for (const { id, stream, secret = streams.secret, expires_in: expiresIn, now, signed } of [
    ...streams.sign,
    ...expiring,
  ])
    test(`signStream writes the name: ${id}`, () =>
      assert.equal(signStream(stream, { secret, expiresIn, now }), signed))

  test('signStream throws for an expiry that is not a number, and signs no lasting name', () =>
    assert.throws(() => signStream('board/1', { secret: 's', expiresIn: Number.NaN }), RangeError))

  for (const { id, make, secret = tags.secret, html, ...given } of tags.produce) {
    const { stream, identity, action, target, content, attributes, ...rest } = given
    const made: Record<string, () => string> = {
      stream_from: () => streamFrom(stream, rest.position, { ...rest, secret, expiresIn: rest.expires_in }),
      source_tag: () =>
        sourceTag(rest.streams, rest.position, identity, { ...rest, secret, expiresIn: rest.expires_in }),
      meta_tags: () => metaTags(identity, { ...rest, secret }),
      script_tag: () => scriptTag(rest),
      turbo_stream: () => turboStream(action, target, content, attributes),
    }
    test(`a tag: ${id}`, () => assert.equal(made[make]!(), html))
  }
})

describe('broadcasts', () => {
  for (const { id, accept, type } of tags.answers)
    test(id, () => assert.equal(wantsTurboStream(accept) ? TURBO_STREAM : '', type))

  for (const { id, authorization, body, allow, answer, ...given } of subscribes.questions)
    test(`the answer to a cable that asks: ${id}`, async () => {
      let seen: unknown[] = []
      const ask = async (...asked: unknown[]) => {
        seen = asked
        return allow
      }
      const [status, json] = await answerSubscribe(authorization, body, ask, { secret: subscribes.secret, ...given })
      assert.equal([status, json, ...(seen.length > 0 ? [JSON.stringify(seen)] : [])].join(' '), answer)
    })

  test('an error of allow, and what is neither a boolean nor a time, is no answer', async () => {
    const [{ authorization, body }] = subscribes.questions
    const answer = (allow: () => unknown) =>
      answerSubscribe(authorization, body, allow as () => boolean, { secret: subscribes.secret })
    const fails = () => {
      throw new Error('no database')
    }
    await assert.rejects(answer(fails), { message: 'no database' })
    for (const wrong of [undefined, null, 'true', Number.NaN])
      await assert.rejects(
        answer(() => wrong),
        TypeError,
      )
  })

  for (const { id, publications, body } of broadcasts.lists)
    test(`publish sends the body: ${id}`, async () => {
      await publish(publications, { url })
      assert.equal(asked[0]?.body, body)
    })

  for (const { id, identity, reconnect, body } of broadcasts.disconnects)
    test(`disconnect sends the body: ${id}`, async () => {
      await disconnect(identity, { reconnect, url })
      assert.equal(asked[0]?.body, body)
    })

  test('the socket ID of a client never keeps a broadcast back', async () => {
    for (const exclude of ['', null, undefined, '\ud83e']) await broadcast('x', 'y', { exclude, url })
    assert.deepEqual(
      asked.map(({ body }) => JSON.parse(body).meta.exclude_socket),
      [undefined, undefined, undefined, '\ufffd'],
    )
  })

  for (const { id, stream, html, exclude, transient, latest, body } of broadcasts.produce)
    test(`broadcast sends the body: ${id}`, async () => {
      const made = [1, 2].map(() => publication(stream, html, { exclude, transient, latest }))
      assert.deepEqual(made.map(withoutId), [body, body])
      assert.notEqual(made[0], made[1])
      await broadcast(stream, html, { exclude, transient, latest, url })
      const expected = { method: 'POST', path: '/_broadcast', type: 'application/json', authorization: undefined, body }
      assert.deepEqual(asked, [expected])
    })

  for (const { id, text, html, body } of broadcasts.not_utf8)
    test(`the helper mends or refuses text that is not UTF-8: ${id}`, async () => {
      const lone = text.replaceAll('\ufffd', '\ud83e')
      assert.equal(turboStream('append', lone, lone), html)
      await broadcast('board/1', lone, { url })
      await failure(broadcast(lone, 'x', { url }))
      await failure(broadcast('x', 'x', { latest: lone, url }))
      assert.throws(() => signStream(lone, { secret: 's' }), TypeError)
      assert.throws(() => issueToken({ name: lone }, { secret: 's' }), TypeError)
      assert.deepEqual(
        asked.map(({ body }) => body),
        [body],
      )
    })

  test('signStream keeps text that only looks like an escaped surrogate', () =>
    assert.equal(signStream('a\\ud800', { secret: 's' }).split('--')[0], btoa('"a\\\\ud800"')))

  for (const { id, url: ending, post, streams, get } of broadcasts.targets)
    test(`the helper sends its requests to the URL: ${id}`, async () => {
      await broadcast('x', 'y', { url: listening + ending })
      assert.equal(await position(streams, { url: listening + ending }), '-')
      assert.deepEqual(
        asked.map(({ path }) => path),
        [post, get],
      )
    })

  const wrong: Record<string, object> = {
    'a number for HTML': { html: 5 },
    'no HTML': { html: null },
    'a stream that is an object': { stream: { toString: null } },
    'a URL that is a number': { url: 5 },
    'half an address': { url: 'http://[' },
    'an invalid port': { url: 'http://127.0.0.1:99999/' },
    'a URL with a space': { url: 'http://a b/' },
    'a time that is a word': { timeoutMs: 'soon' },
    'a time below zero': { timeoutMs: -1 },
    'a key that is an object': { key: {} },
  }
  for (const [title, given] of Object.entries(wrong))
    test(`broadcast rejects with BroadcastFailed and no other error: ${title}`, async () => {
      const { stream, html, ...options } = { stream: 'x', html: 'y', url: refusing, ...given }
      await failure(broadcast(stream, html, options))
    })

  for (const { id, secret, key } of broadcasts.keys)
    test(`the key: ${id}`, async t => {
      setEnv(t, { ANYCABLE_SECRET: secret })
      await broadcast('x', 'y', { url })
      assert.equal(asked[0]?.authorization, `Bearer ${key}`)
    })

  for (const { id, status, answer: text } of broadcasts.refuse.filter(isBroadcast))
    test(`a broadcast fails: ${id}`, async () => {
      answer = says(status, text)
      const error = await failure(broadcast('x', 'y', { url, key: 's3cret' }))
      assert.match(error.message, new RegExp(`\\b${status}\\b`))
      if (status !== 204) assert.ok(error.message.includes(text))
      assert.ok(!error.message.includes('s3cret'))
      assert.equal(asked.length, 1)
    })

  test('a helper neither sends nor shows a key with a line break', async () => {
    const error = await failure(broadcast('x', 'y', { url, key: 's3cret\r\nX-Injected: 1' }))
    assert.ok(!error.message.includes('s3cret'))
    assert.deepEqual(asked, [])
  })
})

describe('positions', () => {
  let questions = 0
  for (const { id, status, answer: text, position: expected = '-' } of [
    ...broadcasts.accept,
    ...broadcasts.refuse.filter((c: { flag: string }) => !isBroadcast(c)),
  ])
    test(`position reads the answer: ${id}`, async () => {
      answer = says(status, text)
      let path = ''
      const arrived = () => asked.filter(request => request.path === path)
      // Each question has another path, because a busy machine may deliver a question after its 250 ms, during the next test.
      const ask = () => {
        path = `/_broadcast/position?stream=a%2F%C3%A9%26b%2B${++questions}`
        return position(`a/é&b+${questions}`, { url, key: 's3cret' })
      }
      const isDone = (result: string) => arrived().length > 0 && (expected === '-' || result !== '-')
      assert.equal(await known(ask, isDone), expected)
      assert.deepEqual(
        arrived().map(({ method, authorization }) => [method, authorization]),
        [['GET', 'Bearer s3cret']],
      )
    })
})

describe('settings', () => {
  const calls: Record<string, () => unknown> = {
    sign_stream: () => signStream('board/1'),
    issue_token: () => issueToken({ visitor: '7' }, { now: 1_700_000_000 }),
    meta_tags: () => metaTags({}).split('\n')[1],
    script_tag: () => scriptTag(),
    broadcast: async () => {
      await broadcast('x', 'y', { url })
      return asked[0]?.authorization ?? null
    },
  }
  for (const { id, call, env, result } of settings.produce)
    test(id, async t => {
      setEnv(t, env)
      if (call !== 'answer_subscribe') return assert.equal(await calls[call]!(), result)
      const [status] = await answerSubscribe(`Bearer ${result}`, '{"identity":"","stream":""}', () => true)
      assert.equal(status, 200)
    })

  for (const { id, call, env, secret, names } of settings.refuse)
    test(`the helper throws an error that names the variables: ${id}`, t => {
      setEnv(t, env)
      assert.throws(
        () => (call === 'sign_stream' ? signStream('board/1', { secret }) : issueToken({}, { secret })),
        (error: Error) => names.every((name: string) => error.message.includes(name)),
      )
    })

  test('broadcast uses the URL of the environment', async t => {
    setEnv(t, { ANYCABLE_HTTP_BROADCAST_URL: `${url}/mine` })
    await broadcast('x', 'y')
    assert.equal(asked[0]?.path, '/_broadcast/mine')
  })

  test('broadcast ignores a proxy of the environment', async () => {
    const script = `import(process.argv[1]).then(({ broadcast }) => broadcast('x', 'y', { url: process.argv[2] }))`
    const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9' }
    const helper = new URL('hotcable.ts', import.meta.url).href
    const child = spawn(process.execPath, ['--eval', script, helper, url], { env, stdio: 'inherit' })
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.equal(asked.length, 1)
  })
})

describe('a page never waits', () => {
  const late: Record<string, () => string | Promise<string>> = {
    'a cable that is down': () => refusing,
    'a cable that never answers': () => url,
    'a cable that drips bytes': () => listen(dripping),
    'a host that does not exist': () => 'http://cable.invalid/_broadcast',
    'an invalid URL': () => 'cable:8080',
  }
  for (const [title, to] of Object.entries(late))
    test(title, async () => {
      answer = () => {}
      const where = await to()

      assert.equal(await within(1000, () => position('board/1', { url: where })), '-')

      await within(1000, () => failure(broadcast('board/1', 'x'.repeat(100_000), { url: where, timeoutMs: 300 })))
    })
})

function says(status: number, text = '') {
  return (response: ServerResponse) => response.writeHead(status, { location: `${listening}/elsewhere` }).end(text)
}

function isBroadcast({ flag }: { flag: string }): boolean {
  return flag === 'not_201'
}

async function failure(broadcast: Promise<void>): Promise<Error> {
  try {
    await broadcast
  } catch (error) {
    assert.ok(error instanceof BroadcastFailed)
    return error
  }
  assert.fail('broadcast did not fail')
}

function setEnv(t: { after: (undo: () => void) => void }, env: Record<string, string>): void {
  Object.assign(process.env, env)
  t.after(() => {
    for (const name of Object.keys(env)) delete process.env[name]
  })
}

async function listen(server: ReturnType<typeof createTcpServer>): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
