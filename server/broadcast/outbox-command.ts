/** The command `outbox`: prints the table of an outbox as SQL, or makes it in its database. */
import { parseArgs } from 'node:util'
import { openOutboxDatabase } from './outbox-databases.ts'
import { OutboxAway } from './outbox-table.ts'

interface Output {
  write: (text: string) => unknown
}

export interface OutboxCommandParts {
  /** How to call the command, such as `hotcable outbox`. */
  readonly name: string
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Output
  readonly stderr: Output
}

export const help = (name: string): string => `Usage: ${name} --print-schema | --apply [--outbox=DATABASE]

Prints the SQL of the table hotcable_outbox, for your migrations, or makes the table where it does not exist yet.

  --print-schema      print the SQL
  --apply             execute it
  --outbox=DATABASE   sqlite:PATH, or postgres://user:password@host:port/database?schema=public;
                      by default HOTCABLE_OUTBOX, which keeps the password out of the list of processes

The cable publishes the rows of this table with --broadcast_adapter=http,outbox --outbox=DATABASE.
`

/** Returns the exit code. */
export async function outboxCommand(args: string[], parts: OutboxCommandParts): Promise<number> {
  const { name, env, stdout, stderr } = parts
  const misused = (why: string) => {
    stderr.write(`${name} ${why} (see ${name} --help)\n`)
    return 2
  }
  const options = {
    'print-schema': { type: 'boolean' },
    apply: { type: 'boolean' },
    outbox: { type: 'string' },
  } as const
  let given: ReturnType<typeof parseArgs<{ options: typeof options }>>['values']
  try {
    given = parseArgs({ args, options }).values
  } catch (error) {
    return misused(`cannot read its arguments: ${(error as Error).message}`)
  }
  const url = given.outbox ?? env.HOTCABLE_OUTBOX ?? ''
  if (given['print-schema'] === given.apply) return misused('needs --print-schema or --apply')
  if (url === '') return misused('needs --outbox, or HOTCABLE_OUTBOX')
  try {
    const database = await openOutboxDatabase(url)
    if (given.apply) await database.apply()
    else stdout.write(database.schema())
    return 0
  } catch (error) {
    if (!(error instanceof OutboxAway)) throw error
    stderr.write(`${name}: ${error.message}\n`)
    return 1
  }
}
