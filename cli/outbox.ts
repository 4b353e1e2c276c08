/** `hotcable outbox`: the table of an outbox, printed or made. */
import { outboxCommand, help as outboxHelp } from '../server/broadcast/outbox-command.ts'
import { withDotEnv } from '../server/config/dot-env.ts'
import type { Io } from './io.ts'

const NAME = 'hotcable outbox'

export const help = outboxHelp(NAME)

export function run(args: string[], { env, stdout, stderr, cwd }: Io): Promise<number> {
  return outboxCommand(args, { name: NAME, env: withDotEnv(env, cwd).env, stdout, stderr })
}
