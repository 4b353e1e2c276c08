/**
 * hotcable <command> [arguments]: finds the command, and runs it or prints its help.
 *
 * Exit codes: 0 for success, 1 for failure, 2 for a mistake in the command line.
 */
import { nearest } from '../server/base/nearest.ts'
import { VERSION } from '../server/version.ts'
import { COMMANDS } from './commands.ts'
import type { Io } from './io.ts'

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const [name = '--help', ...args] = argv
  if (isHelp(name)) {
    io.stdout.write(table())
    return 0
  }
  if (name === '--version' || name === '-v') {
    io.stdout.write(`${VERSION}\n`)
    return 0
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    const meant = nearest(name, Object.keys(COMMANDS))
    io.stderr.write(
      `hotcable: ${JSON.stringify(name)} is not a command${meant ? `, did you mean ${meant}?` : ''} (see hotcable --help)\n`,
    )
    return 2
  }
  const command = await COMMANDS[name]!.load()
  if (args.some(isHelp)) {
    io.stdout.write(command.help)
    return 0
  }
  try {
    return await command.run(args, io)
  } catch (error) {
    if (!isOfSystem(error)) throw error
    io.stderr.write(`hotcable ${name}: ${error.message}\n`)
    return 1
  }
}

/** A file or a connection failed; any other error is a bug, and needs its stack. */
const isOfSystem = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'syscall' in error

const isHelp = (argument: string): boolean => argument === '--help' || argument === '-h'

function table(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(WIDTH)}  ${summary}\n`)
  return `Usage: hotcable <command> [arguments]\n\n${rows.join('')}\nhotcable <command> --help says more.\n`
}

const WIDTH = Math.max(...Object.keys(COMMANDS).map(({ length }) => length))
