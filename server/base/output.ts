/**
 * Output that cannot be written, of a program that ends by itself. Node would end it with the stack of an unhandled error.
 *
 *   EPIPE      the reader has enough, as in `hotcable --help | head -1`: no fault
 *   any other  such as a full disk: one line on stderr, and exit code 1
 */
type Program = Pick<NodeJS.Process, 'stdout' | 'stderr' | 'exitCode'>

export function watchOutput(program: Program, name: string): void {
  let isReported = false
  program.stderr.on('error', () => {})
  program.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || isReported) return
    isReported = true
    program.exitCode = 1
    program.stderr.write(`${name}: the output cannot be written: ${code}\n`)
  })
}
