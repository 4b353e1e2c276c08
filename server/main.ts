/** `npm run cable -- <settings>`: the cable, with AnyCable's defaults; `npm run cable -- outbox`: the table of an outbox. */
import process from 'node:process'
import { watchOutput } from './base/output.ts'
import { runCable } from './run.ts'

watchOutput(process, 'cable')
const { env, stdout, stderr } = process
const [command, ...args] = process.argv.slice(2)
if (command === 'outbox') {
  const name = 'npm run cable -- outbox'
  const { help, outboxCommand } = await import('./broadcast/outbox-command.ts')
  if (args.includes('--help')) stdout.write(help(name))
  else process.exitCode = await outboxCommand(args, { name, env, stdout, stderr })
} else {
  process.exitCode = await runCable(process.argv.slice(2), env, { usage: 'npm run cable -- [settings]' })
}
