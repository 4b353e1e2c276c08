/** What a Board says when it cannot start: one line, and by its exit code whether to try again is of use. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { runBoard } from '../../backends/harness/board-process.ts'
import { BOARDS, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

/** EX_CONFIG: only the operator can mend it, so `npm start` does not start the Board again. */
const MISCONFIGURED = 78

const CASES: Record<string, { env: NodeJS.ProcessEnv; code: number; says: RegExp }> = {
  'no secret': { env: { ANYCABLE_SECRET: '' }, code: MISCONFIGURED, says: /no secret: set/ },
  'an invalid port': { env: { PORT: 'abc' }, code: MISCONFIGURED, says: /PORT/ },
  'a port that is too large': { env: { PORT: '65536' }, code: MISCONFIGURED, says: /PORT/ },
  'a host that is not this machine': { env: { HOST: '192.0.2.77' }, code: 1, says: /192\.0\.2\.77/ },
}

for (const [what, { env, code, says }] of Object.entries(CASES)) {
  test(`${what} is one line, in every language`, async () => {
    // Without a secret web goes on: it also stands before Boards that need none, as Rails with its secret_key_base.
    const ending = startable().filter(backend => what !== 'no secret' || backend !== 'typescript')
    await Promise.all(ending.map(backend => endsWith(backend, env, code, says)))
  })
}

test('a port that is in use is one line, and may be tried again, in every language', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const port = String((server.address() as AddressInfo).port)

  await Promise.all(startable().map(backend => endsWith(backend, { PORT: port }, 1, new RegExp(`${port}.*in use`))))
})

/** php -S takes its port as an argument, and starts without its script. */
const startable = (): string[] => [...boards.running.keys()].filter(backend => backend !== 'php')

async function endsWith(backend: string, wrong: NodeJS.ProcessEnv, expected: number, says: RegExp): Promise<void> {
  const board = (host: string, port: number) => {
    const command = BOARDS[backend]!.board(host, port)
    return { ...command, env: { ...command.env, ...(wrong as Record<string, string>) } }
  }
  const { code, said } = await runBoard(board, boards.env)

  assert.deepEqual([backend, code], [backend, expected], said)
  assert.match(said, /^(?:board\.\w+|web): [^\n]+\n$/)
  assert.match(said, says)
}
