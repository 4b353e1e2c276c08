/**
 * Every language signs what nobody wrote down before, and a running cable is the judge: fresh random names and tokens,
 * the honest ones accepted, the same ones with one character changed refused.
 *
 * Seeded: HOTCABLE_SEED=<the seed printed> repeats a run.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'

const SIGNERS = {
  typescript: [process.execPath, 'backends/typescript/sign.ts'],
  python: ['python3', 'backends/python/sign.py'],
  php: ['php', 'backends/php/sign.php'],
  ruby: ['ruby', 'backends/ruby/sign.rb'],
} as const
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

let cable: { child: ChildProcess; url: string; broadcast: string }
before(async () => {
  cable = await startCable()
})
after(() => cable.child.kill())

for (const [language, [command, script]] of Object.entries(SIGNERS)) {
  describe(language, async () => {
    let results: string[]
    const sign = async () => {
      results ??= await ask(command, script, [
        ...streams.map(stream => ({ do: 'sign_stream', stream, secret: SECRET })),
        ...identities.map(identity => ({ do: 'issue_token', identity, secret: SECRET, ttl: 600 })),
      ])
      return { names: results.slice(0, EACH), tokens: results.slice(EACH) }
    }

    test(`${EACH} fresh names are subscribed to, and each is the stream it was signed for`, async t => {
      const { names } = await sign()
      const client = await connect(t, `?jid=${(await sign()).tokens[0]}`)
      for (const [i, name] of names.entries()) {
        assert.equal((await client.subscribe(name)).type, 'confirm_subscription', JSON.stringify(streams[i]))
        assert.equal((await post({ stream: streams[i], data: JSON.stringify(i) })).status, 201)
        assert.equal((await client.next()).message, i)
      }
    })

    test(`${EACH} tampered names are rejected`, async t => {
      const { names, tokens } = await sign()
      const client = await connect(t, `?jid=${tokens[0]}`)
      for (const name of names) {
        const answer = await client.subscribe(tamper(name))
        assert.equal(answer.type, 'reject_subscription', name)
      }
    })

    test(`${EACH} fresh tokens are welcomed, and the identity is the same bytes in every language`, async t => {
      const { tokens } = await sign()
      for (const [i, token] of tokens.entries()) {
        const client = await connect(t, `?jid=${token}`)
        assert.equal((await client.next()).type, 'welcome')
        // What names the identity is JSON as JavaScript prints it; a backend in any language must mean the same bytes.
        await post({ command: 'disconnect', payload: { identifier: JSON.stringify(identities[i]) } })
        assert.equal((await client.next()).reason, 'remote', JSON.stringify(identities[i]))
      }
    })

    test(`${EACH} tampered tokens are refused`, async t => {
      const { tokens } = await sign()
      for (const token of tokens)
        assert.equal((await (await connect(t, `?jid=${tamper(token)}`)).next()).reason, 'unauthorized', token)
    })
  })
}

/** The text with one character changed that matters: the last digit of base64url may hold bits that nobody reads. */
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

async function ask(command: string, script: string, questions: object[]): Promise<string[]> {
  const child = spawn(command, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  child.stdin.end(questions.map(question => `${JSON.stringify(question)}\n`).join(''))
  const answers = []
  for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line))
  assert.deepEqual(await exited, [0, null])
  return answers.map(({ error, result }) => {
    assert.equal(error, undefined)
    return result
  })
}

async function startCable() {
  const argv = [
    'server/main.ts',
    '--turbo_streams',
    '--port=0',
    '--max_subscriptions=1000',
    '--log_level=info',
    '--dev',
  ]
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, ANYCABLE_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let url = ''
  for await (const line of createInterface({ input: child.stdout })) {
    url = /clients connect to (\S+)/.exec(line)?.[1] ?? url
    const broadcast = /broadcast to (\S+)/.exec(line)?.[1]
    if (broadcast) {
      child.stdout.resume()
      return { child, url, broadcast }
    }
  }
  throw new Error('the cable did not start')
}

function post(body: object): Promise<Response> {
  const key = createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')
  return fetch(cable.broadcast, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  })
}

interface Frame {
  type?: string
  reason?: string
  message?: unknown
}

async function connect(t: { after: (clean: () => void) => void }, query: string) {
  const ws = new WebSocket(cable.url + query, ['actioncable-v1-json'])
  t.after(() => ws.terminate())
  const frames: Frame[] = []
  const waiting: ((frame: Frame) => void)[] = []
  ws.on('message', data => {
    const frame: Frame = JSON.parse(String(data))
    if (frame.type === 'ping') return
    const next = waiting.shift()
    if (next) next(frame)
    else frames.push(frame)
  })
  const next = () =>
    frames.length > 0 ? Promise.resolve(frames.shift()!) : new Promise<Frame>(resolve => waiting.push(resolve))
  await once(ws, 'open')
  let welcomed = false
  return {
    next,
    async subscribe(signed: string): Promise<Frame> {
      if (!welcomed) assert.equal((await next()).type, 'welcome')
      welcomed = true
      ws.send(
        JSON.stringify({
          command: 'subscribe',
          identifier: JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: signed }),
        }),
      )
      return await next()
    },
  }
}

function mulberry32(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
