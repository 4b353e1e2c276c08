/** `hotcable secret`: a new ANYCABLE_SECRET, as a line for an .env file. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Io } from './io.ts'

export const help = `Usage: hotcable secret >> .env

Prints a line with a new random secret for the cable and your app:

  ANYCABLE_SECRET=<64 hex digits>

Other users of the machine can read a command line, so keep the secret in a file. chmod 600 .env hides that from them.
\`hotcable cable\` reads .env; for other programs: set -a; . ./.env; set +a
`

export function run(args: string[], { stdout, stderr, cwd }: Io): number {
  if (args.length > 0) {
    stderr.write('hotcable secret takes no arguments\n')
    return 2
  }
  const written = envFile(cwd)
  if (/^(export )?ANYCABLE_SECRET=/m.test(written))
    stderr.write('.env already has an ANYCABLE_SECRET; of two lines the last one counts\n')
  // If the file does not end with a line break, the secret would continue its last line.
  const separator = stdout.isTTY || written === '' || written.endsWith('\n') ? '' : '\n'
  stdout.write(`${separator}ANYCABLE_SECRET=${randomBytes(32).toString('hex')}\n`)
  return 0
}

function envFile(folder: string): string {
  try {
    return readFileSync(join(folder, '.env'), 'utf8')
  } catch {
    return ''
  }
}
