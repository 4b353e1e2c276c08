/** Reads the arguments of a command, and reports a mistake in them. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { Output } from './io.ts'

/** A mistake in the command line; the message is a sentence without its subject, the command. */
export class Misused extends Error {
  override readonly name = 'Misused'
}

export function readArguments<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: Options,
) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (cause) {
    throw new Misused(`cannot read its arguments: ${(cause as Error).message}`, { cause })
  }
}

/** Runs a command, and returns its exit code. If it throws {@link Misused}, prints the mistake and returns 2. */
export async function guarded(name: string, stderr: Output, run: () => number | Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof Misused)) throw error
    stderr.write(`hotcable ${name} ${error.message} (see hotcable ${name} --help)\n`)
    return 2
  }
}
