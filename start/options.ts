/** Reads the options of a command of package.json. A mistake in them is one line, and no stack. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/**
 * After a mistake ends the process with 2; for `--help` prints the usage, which begins with `Usage: npm run <name>`. Those of
 * `numbers` stay texts, and each is a positive number.
 */
export function readOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  usage: string,
  options: Options,
  numbers: readonly (keyof Options & string)[] = [],
) {
  if (process.argv.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    const { values } = parseArgs({ options })
    const given: Readonly<Record<string, unknown>> = values
    for (const name of numbers)
      if (given[name] !== undefined && !(Number(given[name]) > 0))
        throw new Error(`--${name} must be a number above 0: ${given[name]}`)
    return values
  } catch (error) {
    const [, name] = /^Usage: npm run (\S+)/.exec(usage)!
    console.error(`${name}: ${(error as Error).message} (see npm run ${name} -- --help)`)
    process.exit(2)
  }
}
