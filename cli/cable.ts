/** `hotcable cable`: the cable, with Turbo streams and server-sent events on by default. */
import { help as settings } from '../server/config/help.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import { type RunOptions, runCable } from '../server/run.ts'
import type { Io } from './io.ts'

const OPTIONS: RunOptions = {
  usage: 'hotcable cable [settings]',
  usual: turboAndEvents,
  note: `Server-sent events are on, unless --sse=false. Turbo streams are on once their names have a secret, unless
--turbo_streams=false.`,
}

export const help = settings(OPTIONS.usage, OPTIONS.note)

export const run = (args: string[], { env }: Io): Promise<number> => runCable(args, env, OPTIONS)
