/** `hotcable debug`: says what a pasted text is, which key signed it, what is wrong with it, and the fix. Sends nothing. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { decode, MOST_PASTED } from '../server/debug/decode.ts'
import { isWrong } from '../server/debug/finding.ts'
import { printFindings } from '../server/debug/print.ts'
import { guarded, readArguments } from './arguments.ts'
import type { Io } from './io.ts'
import { readHere, readLeniently } from './keys.ts'

export const help = `Usage: hotcable debug <text>
       curl https://app.example/page | hotcable debug

Decodes a token, a signed stream name, an identifier, a command, a position, a URL, the HTML of a whole page, a body for
/_broadcast, a code, or a line of the cable's log with a code. Says which key signed it, what is wrong, and the fix. The
keys come from the environment or .env, as for \`hotcable cable\`. Sends nothing, and prints no secret.

  --json   prints what it found as JSON

Other users of the machine can read a command line, so give the command a token on stdin:

  hotcable debug < token.txt

Exit code: 0, or 1 if something is wrong, or if nothing was found.
`

export const run = (args: string[], io: Io): Promise<number> =>
  guarded('debug', io.stderr, async () => {
    const { values, positionals } = readArguments(args, { json: { type: 'boolean', default: false } })
    if (positionals.length === 0 && io.stdin.isTTY)
      io.stderr.write('Paste the text, then press Ctrl-D in a new line.\n')
    const text = positionals.length > 0 ? positionals.join(' ') : await read(io.stdin)
    if (text.length > MOST_PASTED) io.stderr.write('The text is longer than 1 MiB: this is what its first MiB holds.\n')
    // Without usable settings the text can still be read, but no signature can be checked.
    const settings = (await readHere(io))?.config ?? readLeniently({})
    const findings = decode(text, { settings, now: Date.now() / 1000 })
    io.stdout.write(values.json ? `${JSON.stringify(findings, null, 2)}\n` : printFindings(findings))
    if (text.trim() === '') io.stderr.write('The text is empty. Did the command before hotcable debug fail?\n')
    else if (findings.length === 0 && positionals.length === 1 && existsSync(resolve(io.cwd, text)))
      io.stderr.write(`hotcable debug reads a file on stdin: hotcable debug < ${text}\n`)
    return findings.length === 0 || findings.some(isWrong) ? 1 : 0
  })

/** Reads a text that may never end, until it is longer than what we decode. */
async function read(stdin: Io['stdin']): Promise<string> {
  let text = ''
  for await (const part of stdin.setEncoding('utf8')) {
    text += part
    if (text.length > MOST_PASTED) break
  }
  return text
}
