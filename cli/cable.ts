/** `hotcable cable`: the cable, with Turbo streams and server-sent events on by default, and settings from .env. */
import { type DotEnv, withDotEnv } from '../server/config/dot-env.ts'
import { help as settings } from '../server/config/help.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import { type RunOptions, runCable } from '../server/run.ts'
import type { Io } from './io.ts'

const OPTIONS: RunOptions = {
  usage: 'hotcable cable [settings]',
  usual: turboAndEvents,
  note: `Server-sent events are on, unless --sse=false. Turbo streams are on once their names have a secret, unless
--turbo_streams=false. The cable also reads ANYCABLE_... and HOTCABLE_... from the file .env in this folder. It reads
PORT from the environment alone, because the PORT in an app's .env is the port of the app.`,
}

export const help = settings(OPTIONS.usage, OPTIONS.note)

export async function run(args: string[], { env, stderr, cwd }: Io): Promise<number> {
  let dotEnv: DotEnv
  try {
    dotEnv = withDotEnv(env, cwd)
  } catch (error) {
    stderr.write(`cable: ${(error as Error).message}\n`)
    return 1
  }
  const { names } = dotEnv
  const source = names.length > 0 ? `read from .env: ${names.join(', ')}` : undefined
  return await runCable(args, dotEnv.env, { ...OPTIONS, source, folder: cwd })
}
