/**
 * Every language signs names and tokens that no file lists, and a running cable judges them: it must accept fresh random
 * names and tokens, and refuse the same ones with one character changed.
 *
 * Seeded: HOTCABLE_SEED=<the seed printed> repeats a run.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type CommandLine, Program, type Question } from '../../backends/check/program.ts'
import { ADAPTERS } from '../../backends/harness/adapters.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'

const EACH = 200
const SECRET = 'canary s3cЯeT 🔑'
const seed = Number(process.env.HOTCABLE_SEED ?? randomInt(2 ** 31))
console.log(`seed ${seed}`)

const random = mulberry32(seed)
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
const streams = Array.from({ length: EACH }, (_, i) => `${i}${randomText()}`)
const identities = Array.from({ length: EACH }, (_, i) => ({
  user: i,
  [`k${randomText()}`]: randomText(),
  admin: pick([true, false, null]),
  n: Math.floor(random() * 2 ** 40) - 2 ** 39,
}))

let cable: TurboCable
before(async () => {
  cable = await startTurboCable(SECRET)
})
after(() => cable.child.kill())

for (const [language, { absent, command }] of Object.entries(ADAPTERS)) {
  if (absent !== undefined) console.error(`\n!!! ${absent}\n`)
  describe(language, { skip: process.env.CI !== 'true' && absent !== undefined }, () => {
    let results: string[]
    const sign = async () => {
      results ??= await ask(command(), [
        ...streams.map(stream => ({ do: 'sign_stream', stream, secret: SECRET })),
        ...identities.map(identity => ({ do: 'issue_token', identity, secret: SECRET, ttl: 600 })),
      ])
      return { names: results.slice(0, EACH), tokens: results.slice(EACH) }
    }

    test(`a client can subscribe to ${EACH} fresh names, and each names the stream that was signed`, async t => {
      const { names } = await sign()
      const client = await connect(t, `${cable.url}?jid=${(await sign()).tokens[0]}`)
      await client.welcomed()
      for (const [i, name] of names.entries()) {
        const { type } = await client.subscribe(turboIdentifier(name))
        assert.equal(type, 'confirm_subscription', JSON.stringify(streams[i]))
        assert.equal((await post({ stream: streams[i], data: JSON.stringify(i) })).status, 201)
        assert.equal((await client.next()).message, i)
      }
    })

    test(`the cable rejects ${EACH} tampered names`, async t => {
      const { names, tokens } = await sign()
      const client = await connect(t, `${cable.url}?jid=${tokens[0]}`)
      await client.welcomed()
      for (const [i, name] of names.entries()) {
        const answer = await client.subscribe(turboIdentifier(tamper(name)))
        assert.equal(answer.type, 'reject_subscription', JSON.stringify(streams[i]))
      }
    })

    test(`the cable welcomes ${EACH} fresh tokens, and the identity is the same bytes in every language`, async t => {
      const { tokens } = await sign()
      for (const [i, token] of tokens.entries()) {
        const client = await connect(t, `${cable.url}?jid=${token}`)
        await client.welcomed()
        // The identity is JSON as JavaScript prints it; every language must write the same bytes.
        await post({ command: 'disconnect', payload: { identifier: JSON.stringify(identities[i]) } })
        assert.equal((await client.next()).reason, 'remote', JSON.stringify(identities[i]))
      }
    })

    test(`the cable refuses ${EACH} tampered tokens`, async t => {
      const { tokens } = await sign()
      for (const [i, token] of tokens.entries()) {
        const client = await connect(t, `${cable.url}?jid=${tamper(token)}`)
        assert.equal((await client.next()).reason, 'unauthorized', JSON.stringify(identities[i]))
      }
    })

    test('of several changes in one broadcast that breaks off, none arrives, or with retries each once', async t => {
      const { names, tokens } = await sign()
      const client = await connect(t, `${cable.url}?jid=${tokens[0]}`)
      await client.welcomed()
      await client.confirmed(turboIdentifier(names[0]!))
      const cutting = await cutFirst(t)
      const change = (id: string) =>
        `<turbo-stream action="append" target="${id}"><template>${id.repeat(100_000)}</template></turbo-stream>`
      const question = { do: 'broadcast', stream: streams[0], key: cable.key, timeout: 60 }
      const program = new Program(command(), { timeoutMs: 90_000 })
      t.after(() => program.kill())

      const lost = { ...question, html: change('lost'), url: cutting.url, retries: 0 }
      const failed = await program.ask(lost)
      assert.match('error' in failed ? failed.error : '', /the cable answered nothing/)
      cutting.again()
      const html = change('a') + change('b')
      const told = await program.ask({ ...question, html, url: cutting.url, retries: 1 })
      assert.ok('result' in told, JSON.stringify(told))
      assert.equal((await post({ stream: streams[0], data: '"last"' })).status, 201)

      assert.equal((await client.next()).message, html)
      assert.equal((await client.next()).message, 'last')
      assert.equal(cutting.cuts(), 2)
    })
  })
}

/** The text with one significant character changed: the last digit of base64url may hold bits that no decoder reads. */
function tamper(text: string): string {
  const at = Math.floor(random() * (text.length - 1))
  const alphabet = /--/.test(text) && at > text.indexOf('--') ? '0123456789abcdef' : 'ABCDEFGHabcdefgh01234567'
  return text.slice(0, at) + pick([...alphabet].filter(character => character !== text[at])) + text.slice(at + 1)
}

/** Names that are hard on encoders: slashes, quotes, controls, emoji, accents both ways, separators, markup. */
function randomText(): string {
  const pieces = [
    '/',
    '\\',
    '"',
    "'",
    '<',
    '>',
    '&',
    '\u2028',
    '\u2029',
    '\u0001',
    '\u001f',
    '\u007f',
    '\n',
    '\t',
    'é',
    'e\u0301',
    'Я',
    '日本',
    '🦄',
    '👩‍👩‍👧',
    '--',
    ':',
    '?',
    '~',
    '+',
    ' ',
    'a',
    '0',
    '\ufeff',
    '\uffff',
  ]
  return Array.from({ length: Math.floor(random() * 24) }, () => pick(pieces)).join('')
}

async function ask(command: CommandLine, questions: Question[]): Promise<string[]> {
  const program = new Program(command, { timeoutMs: 90_000 })
  const results: string[] = []
  for (const question of questions) {
    const answer = await program.ask(question)
    assert.ok('result' in answer, JSON.stringify(answer))
    results.push(String(answer.result))
  }
  await program.close()
  return results
}

/** The way to the cable; its first connection breaks after half of the bytes. */
async function cutFirst(t: { after: (clean: () => void) => void }) {
  const { port, pathname } = new URL(cable.broadcast)
  let [isNext, cuts] = [true, 0]
  const listener = createServer(client => {
    const server = connectTcp(Number(port), '127.0.0.1')
    for (const socket of [client, server]) socket.on('error', () => {})
    server.pipe(client)
    if (!isNext) return void client.pipe(server)
    isNext = false
    let passed = 0
    client.on('data', bytes => {
      server.write(bytes)
      passed += bytes.length
      if (passed < 100_000 || client.destroyed) return
      cuts++
      server.end()
      client.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}${pathname}`,
    again: () => {
      isNext = true
    },
    cuts: () => cuts,
  }
}

function post(body: object): Promise<Response> {
  return fetch(cable.broadcast, {
    method: 'POST',
    headers: { authorization: `Bearer ${cable.key}` },
    body: JSON.stringify(body),
  })
}

function mulberry32(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
