/**
 * Any process with the helper may broadcast: a worker of an app, a job, a console. None of them holds the client's connection, and
 * the client gets each broadcast before the answer to a ping that it sends afterwards.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { startBoard } from '../../backends/harness/board-process.ts'
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { missing } from '../../backends/harness/toolchain.ts'
import { issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { connect, turboIdentifier } from '../../testing/client.ts'

const SECRET = 'canary workers'
const STREAM = 'board/1'

/** A process that broadcasts its one argument and ends, like a job or a console. */
const CONSOLES = {
  typescript: [
    process.execPath,
    '--input-type=module-typescript',
    '-e',
    `import { broadcast } from "./backends/typescript/hotcable.ts"; await broadcast("${STREAM}", process.argv[1]!)`,
  ],
  python: [
    'python3',
    '-c',
    `import sys; sys.path.insert(0, "backends/python"); import hotcable; hotcable.broadcast("${STREAM}", sys.argv[1])`,
  ],
  php: ['php', '-r', `require "backends/php/hotcable.php"; Hotcable\\broadcast("${STREAM}", $argv[1]);`, '--'],
  ruby: ['ruby', '-r./backends/ruby/hotcable.rb', '-e', `Hotcable.broadcast("${STREAM}", ARGV[0])`],
} as const

const folder = mkdtempSync(join(tmpdir(), 'hotcable-workers-'))
let cable: TurboCable
let env: NodeJS.ProcessEnv
before(async () => {
  cable = await startTurboCable(SECRET)
  env = {
    ...process.env,
    ANYCABLE_SECRET: SECRET,
    ANYCABLE_HTTP_BROADCAST_URL: cable.broadcast,
    HOTCABLE_DB: join(folder, 'board.sqlite3'),
  }
})
after(() => {
  cable.child.kill()
  rmSync(folder, { recursive: true, force: true })
})

async function listen(t: { after: (clean: () => void) => void }) {
  const client = await connect(t, `${cable.url}?jid=${issueToken({ visitor: '7' }, { secret: SECRET })}`)
  await client.welcomed()
  await client.confirmed(turboIdentifier(signStream(STREAM, { secret: SECRET })))
  return client
}

for (const [name, [command, ...args]] of Object.entries(CONSOLES)) {
  const language = LANGUAGES[name as keyof typeof CONSOLES]
  const absent = !(await language.isPresent())
  if (absent) console.error(`\n!!! ${missing(language)}\n`)
  describe(name, { skip: process.env.CI !== 'true' && absent }, () => {
    test('a console broadcasts, and a client gets it at once', async t => {
      const client = await listen(t)
      const html = `<turbo-stream action="append" target="cards"><template>from a ${name} console</template></turbo-stream>`
      await promisify(execFile)(command, [...args, html], { env })
      client.ping()
      assert.equal((await client.next()).message, html)
      assert.equal((await client.next()).type, 'pong')
    })

    if (name === 'python')
      test('each of 4 workers that share a port broadcasts, and a client gets it at once', async t => {
        const client = await listen(t)
        const board = await startBoard(
          (HOST, PORT) => ({
            command: 'python3',
            args: ['e2e/languages/prefork.py'],
            env: { HOST, PORT: String(PORT) },
          }),
          env,
        )
        t.after(() => board.stop())

        const workers = new Set<unknown>()
        for (let round = 0; workers.size < 4 && round < 50; round++) {
          // Several at a time, so that no worker alone answers all.
          const bodies = Array.from({ length: 8 }, (_, i) => `card ${round}-${i}`)
          const answers = await Promise.all(bodies.map(body => board.post('/cards', { body })))
          client.ping()
          const heard = (await Promise.all(bodies.map(() => client.next()))).map(({ message }) => String(message))
          assert.equal((await client.next()).type, 'pong')
          for (const body of bodies) assert.equal(heard.filter(html => html.includes(`>${body}<`)).length, 1, body)
          for (const { status, headers } of answers) {
            assert.equal(status, 303)
            workers.add(headers['x-worker'])
          }
        }
        assert.equal(workers.size, 4)
      })
  })
}
