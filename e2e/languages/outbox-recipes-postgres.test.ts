/** The recipes of docs/outbox-recipes.md for PostgreSQL: node-postgres, psql and the trigger, with a real database and cable. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { delimiter } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { turboStream } from '../../backends/typescript/hotcable.ts'
import type { RunningCable } from '../../testing/cable.ts'
import { findPostgres, NO_POSTGRES, startPostgres } from '../../testing/postgres.ts'
import {
  listen,
  makeFolder,
  messages,
  runProgram,
  sectionOf,
  shown,
  startOutboxCable,
  writeProgram,
} from './outbox-program.ts'
import { nodePostgres } from './outbox-recipes.ts'

let url: string
let folder: string
let cable: RunningCable
let endPostgres: () => Promise<void>

before(async () => {
  if (NO_POSTGRES) return console.error(`\n!!! ${NO_POSTGRES}\n`)
  folder = makeFolder()
  ;({ url } = await startPostgres({ after: end => (endPostgres = end) }))
  await sql('CREATE TABLE cards (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, votes int NOT NULL DEFAULT 0)')
  cable = await startOutboxCable(url)
})

after(async () => {
  if (NO_POSTGRES) return
  await cable?.stop()
  await endPostgres?.()
  rmSync(folder, { recursive: true })
})

test('a vote and its message are one transaction: node-postgres', { skip: NO_POSTGRES }, async t => {
  const program = nodePostgres(url)
  writeProgram(folder, 'node-postgres', program)
  const [first, second] = [await newCard(), await newCard()]
  const client = await listen(t, cable)

  const stdout = await runProgram(folder, program, [first, second])

  assert.match(stdout, /^refused: .*three votes are enough/)
  assert.equal(await sql(`SELECT array_agg(votes ORDER BY id) FROM cards WHERE id IN (${first}, ${second})`), '{3,1}')
  const wanted = [shown(first, 1), shown(first, 2), shown(first, 3), shown(second, 1)]
  assert.deepEqual(await messages(client, shown(second, 1)), wanted)
})

test('psql sends the row with its change, and after an error neither', { skip: NO_POSTGRES }, async t => {
  const [, lines] = /^```sh\n(.*?)^```/ms.exec(sectionOf('psql'))!
  const client = await listen(t, cable)
  const card = await newCard(5)

  await assert.rejects(shell(lines!.replace(/(?=^SQL$)/m, 'SELECT 1 / 0;\n')), /division by zero/)
  assert.equal(await sql(`SELECT votes FROM cards WHERE id = ${card}`), '5')
  await shell(lines!)
  await publishEnd()

  assert.deepEqual(await messages(client, 'end'), [turboStream('refresh'), 'end'])
  assert.equal(await sql(`SELECT votes FROM cards WHERE id = ${card}`), '0')
})

test('a trigger refreshes the pages once for each statement, and not after a rollback', {
  skip: NO_POSTGRES,
}, async t => {
  const [, trigger] = /^```sql\n-- PostgreSQL\n(.*?)^```/ms.exec(sectionOf('A trigger'))!
  await sql(trigger!)
  t.after(() => sql('DROP TRIGGER cards_refresh ON cards'))
  const client = await listen(t, cable)

  await sql('BEGIN; UPDATE cards SET votes = 7; ROLLBACK')
  await sql('UPDATE cards SET votes = 8')
  await sql('DELETE FROM cards')
  await publishEnd()

  assert.deepEqual(await messages(client, 'end'), [turboStream('refresh'), turboStream('refresh'), 'end'])
})

const newCard = async (votes = 0): Promise<number> =>
  Number((await sql(`INSERT INTO cards (votes) VALUES (${votes}) RETURNING id`)).split('\n')[0])

const publishEnd = () => sql(`INSERT INTO hotcable_outbox (publication) VALUES ('{"stream":"cards","data":"end"}')`)

/** Returns the values without their names. */
const sql = (statements: string): Promise<string> => shell('psql "$DATABASE_URL" -qtA -c "$STATEMENTS"', statements)

/** Debian's psql stands beside the server as well. */
async function shell(lines: string, statements = ''): Promise<string> {
  const PATH = `${findPostgres()}${delimiter}${process.env.PATH}`
  const env = { ...process.env, PATH, DATABASE_URL: url, STATEMENTS: statements }
  return (await promisify(execFile)('sh', ['-c', lines], { env })).stdout.trim()
}
