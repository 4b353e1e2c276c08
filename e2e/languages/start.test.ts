/**
 * The settings that a Board reads when it starts. If it cannot start it prints one line, and its exit code says
 * whether a retry can help.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { announced } from '../../backends/harness/board-answers.ts'
import { alike } from '../../backends/harness/board-page.ts'
import { MISCONFIGURED, runBoard, startBoard } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { BOARDS, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

const CASES: Record<string, { env: NodeJS.ProcessEnv; code: number; says: RegExp }> = {
  'no secret': { env: { ANYCABLE_SECRET: '' }, code: MISCONFIGURED, says: /no secret: set/ },
  'an invalid port': { env: { PORT: 'abc' }, code: MISCONFIGURED, says: /PORT/ },
  'a port that is too large': { env: { PORT: '65536' }, code: MISCONFIGURED, says: /PORT/ },
  'a host that is not this machine': { env: { HOST: '192.0.2.77' }, code: 1, says: /192\.0\.2\.77/ },
}

for (const [what, { env, code, says }] of Object.entries(CASES)) {
  test(`a Board reports ${what} in one line, in every language`, async () => {
    // Without a secret web runs: it also stands before Boards that need none, as Rails with its secret_key_base.
    const ending = startable().filter(backend => what !== 'no secret' || !differences(backend).isOrigin)
    await Promise.all(ending.map(backend => endsWith(backend, env, code, says)))
  })
}

test('a Board reports a port that is in use in one line, and its exit code allows a retry, in every language', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const port = String((server.address() as AddressInfo).port)

  await Promise.all(startable().map(backend => endsWith(backend, { PORT: port }, 1, new RegExp(`${port}.*in use`))))
})

test('a Board reads its settings from the environment: the cable, the assets, a broadcast key that replaces the derived one', async t => {
  const own = {
    ANYCABLE_WEBSOCKET_URL: 'wss://cable.example/cable?a=b',
    HOTCABLE_ASSETS: '/static',
    ANYCABLE_BROADCAST_KEY: 'k3y',
  }
  for (const backend of boards.running.keys()) {
    const board = await startBoard(BOARDS[backend]!.board, { ...boards.env, ...own })
    t.after(() => board.stop())
    const { body } = await board.ask('/')
    assert.match(
      alike(body),
      /<meta name="action-cable-url" content="wss:\/\/cable\.example\/cable\?a=b&amp;jid=[\w.-]+">/,
    )
    if (!differences(backend).isOrigin)
      assert.equal(body.match(/"\/static\/(icon\.svg|board\.css|hotcable\.js)"/g)?.length, 3)
    boards.cable.reset()
    await board.post('/clear')
    await announced(boards, 1)
    assert.equal(boards.cable.received.pop()?.authorization, 'Bearer k3y')
  }
})

/** Boards that read their settings when they start. */
const startable = (): string[] => [...boards.running.keys()].filter(each => !differences(each).startsWithoutProgram)

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
