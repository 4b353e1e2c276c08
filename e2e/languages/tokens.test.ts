/** The lines in the READMEs that issue a token with a JWT library of the language, run unchanged: a cable welcomes the token. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { LIBRARIES, type Library } from '../../backends/harness/libraries.ts'
import { missing } from '../../backends/harness/toolchain.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { connect } from '../../testing/client.ts'

// As long as HS256 needs it: newer libraries warn of, or refuse, a key under 32 bytes.
const SECRET = 'canary tokens, 32 bytes and some more'
const IDENTITY = { user: 'Зоя/7 <&>', admin: true, n: null }

interface Lines {
  readonly readme: string
  readonly library?: Library
  /** The secret is in the environment: no failing program may show it. */
  readonly print: string
  readonly args: readonly string[]
}

const LINES: Record<string, Lines> = {
  PyJWT: {
    readme: 'python',
    library: LIBRARIES.pyjwt,
    print: 'import os; print(issue_token({"user": "Зоя/7 <&>", "admin": True, "n": None}, os.environ["SECRET"]))',
    args: ['-c'],
  },
  'the jwt gem': {
    readme: 'ruby',
    library: LIBRARIES.rubyJwt,
    print: 'puts issue_token({ user: "Зоя/7 <&>", admin: true, n: nil }, ENV["SECRET"])',
    args: ['-e'],
  },
  jose: {
    readme: 'typescript',
    print: "console.log(await issueToken({ user: 'Зоя/7 <&>', admin: true, n: null }, process.env.SECRET!))",
    args: ['--input-type=module-typescript', '-e'],
  },
}

let cable: TurboCable
before(async () => {
  cable = await startTurboCable(SECRET)
})
after(() => cable.child.kill())

// Find them before the first test: when no test is pending, the runner believes that all is over, and ends the cable.
const found = await Promise.all(
  Object.entries(LINES).map(async ([name, lines]) => {
    const { library } = lines
    return { ...lines, name, interpreter: library === undefined ? process.execPath : await library.interpreter() }
  }),
)

for (const { name, interpreter, readme, library, print, args } of found) {
  if (interpreter === undefined) console.error(`\n!!! ${missing(library!)}\n`)
  const skip = process.env.CI !== 'true' && interpreter === undefined

  test(`the cable welcomes the README's token with ${name} as the identity in it`, { skip }, async t => {
    assert.ok(interpreter !== undefined, `${name} is not installed`)
    const text = readFileSync(`backends/${readme}/README.md`, 'utf8')
    const lines = text.split(`## The token with ${name}\n`)[1]?.match(/^```\w+\n(.*?)^```$/ms)?.[1]
    assert.ok(lines !== undefined, `no lines for ${name}`)
    const { status, signal, stdout, stderr } = spawnSync(interpreter, [...args, lines + print], {
      env: { ...process.env, SECRET },
      encoding: 'utf8',
    })
    assert.equal(status, 0, `the lines ended with ${status ?? signal}:\n${stderr}`)

    const client = await connect(t, `${cable.url}?jid=${stdout.trim()}`)
    const { type, reason } = await client.next()
    assert.equal(type, 'welcome', `${type}: ${reason}`)
    const disconnect = { command: 'disconnect', payload: { identifier: JSON.stringify(IDENTITY) } }
    const answer = await fetch(cable.broadcast, {
      method: 'POST',
      headers: { authorization: `Bearer ${cable.key}` },
      body: JSON.stringify(disconnect),
    })
    assert.ok(answer.ok, `${answer.status}`)
    assert.equal((await client.next()).reason, 'remote')

    const { exp } = JSON.parse(Buffer.from(stdout.split('.')[1]!, 'base64url').toString())
    assert.ok(Math.abs(exp - Date.now() / 1000 - 3600) < 10)
  })
}
