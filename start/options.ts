/** Reads the options of a command of package.json. A mistake in them is one line, and no stack. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** After a mistake ends the process with 2; for `--help` prints the usage, which begins with `Usage: npm run <name>`. */
export function readOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: Options,
) {
  if (process.argv.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs({ options }).values
  } catch (error) {
    const [, name] = /^Usage: npm run (\S+)/.exec(usage)!
    console.error(`${name}: ${(error as Error).message} (see npm run ${name} -- --help)`)
    process.exit(2)
  }
}
