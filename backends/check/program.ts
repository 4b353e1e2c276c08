/**
 * A program that answers questions: a JSON line in, a JSON line out.
 *
 * Questions go in one by one, each after the last one's answer. This exposes a program that buffers its answers, or reads all
 * of stdin first. Every fault is a {@link ProgramFailed} with words for the program's author, and nothing here
 * waits for ever.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

export type Question = { readonly do: string } & Readonly<Record<string, unknown>>
export type ProgramAnswer = { readonly result: unknown } | { readonly error: string }
export type CommandLine = readonly [command: string, ...args: string[]]

/** The program breaks the line protocol; the message tells its author how. */
export class ProgramFailed extends Error {
  override readonly name = 'ProgramFailed'
}

export interface ProgramOptions {
  /** How long an answer may take. */
  timeoutMs?: number
  cwd?: string | undefined
}

/** How long a program may run after the end of stdin. */
const LEAVE_MS = 1000

export class Program {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #timeoutMs: number
  readonly #ended: Promise<void>
  readonly #lines: string[] = []
  #stderr = ''
  #failure: ProgramFailed | undefined
  #wake = () => {}

  constructor([command, ...args]: CommandLine, { timeoutMs = 10_000, cwd }: ProgramOptions = {}) {
    this.#timeoutMs = timeoutMs
    // A new process group, so that its children end with it; a shell runs one word with spaces.
    const shell = args.length === 0 && /\s/.test(command)
    this.#child = spawn(command, args, { cwd, shell, detached: true })
    this.#ended = new Promise(resolve => this.#child.once('close', () => resolve()))
    this.#child.once('error', error => this.#fail(`it did not start: ${error.message}`))
    this.#child.once('close', (code, signal) => this.#fail(`it ended (${signal ?? `exit code ${code}`})`))
    this.#child.stdin.on('error', () => {}) // the program has ended; `close` above reports it
    this.#child.stderr.setEncoding('utf8').on('data', text => {
      this.#stderr = (this.#stderr + text).slice(-2000)
    })
    this.#read()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Rejects with ProgramFailed if the program gives no answer, or a line that is not one. */
  async ask(question: Question): Promise<ProgramAnswer> {
    if (this.#lines.length > 0) throw this.#chatter()
    this.#child.stdin.write(`${JSON.stringify(question)}\n`)
    const line = (await this.#line(this.#timeoutMs)) ?? (await this.#silence())
    return parse(line)
  }

  /** Ends stdin, and the program if it stays. Rejects with ProgramFailed if it printed more answers than questions. */
  async close(): Promise<void> {
    this.#child.stdin.end()
    await this.#gone()
    await this.end()
    if (this.#lines.length > 0) throw this.#chatter()
  }

  /** Kills it, and waits until all its children have closed its stdout. */
  async end(): Promise<void> {
    this.kill()
    await this.#gone()
  }

  kill(): void {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It ended between the check and the signal.
    }
  }

  async #gone(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, LEAVE_MS)
    })
    await Promise.race([this.#ended, late])
    clearTimeout(timer)
  }

  #read(): void {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    let rest = ''
    this.#child.stdout.on('data', (bytes: Buffer) => {
      try {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
        rest = lines.pop()!
        this.#lines.push(...lines.map(line => line.replace(/\r$/, '')))
      } catch {
        this.#fail('its stdout is not UTF-8')
      }
      this.#wake()
    })
  }

  /** The next line; `undefined` if none comes in time. */
  async #line(withinMs: number): Promise<string | undefined> {
    const late = AbortSignal.timeout(withinMs)
    while (this.#lines.length === 0 && this.#failure === undefined && !late.aborted) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
        late.onabort = () => resolve()
      })
    }
    const line = this.#lines.shift()
    if (line === undefined && this.#failure !== undefined) throw this.#failure
    return line
  }

  /** Finds out why it prints nothing: some programs only answer when stdin ends. */
  async #silence(): Promise<never> {
    this.#child.stdin.end()
    const late = await this.#line(LEAVE_MS).catch(() => undefined)
    this.kill()
    throw late === undefined
      ? new ProgramFailed(`it did not answer within ${this.#timeoutMs / 1000} s${this.#said()}`)
      : new ProgramFailed('it answers only when stdin ends: flush stdout after each line, and read line by line')
  }

  #chatter(): ProgramFailed {
    return new ProgramFailed(`it printed more than one line for a question: ${quote(this.#lines[0]!)}`)
  }

  #fail(what: string): void {
    this.#failure ??= new ProgramFailed(what + this.#said())
    this.#wake()
  }

  #said(): string {
    const lines = this.#stderr.split('\n').filter(line => line.trim() !== '')
    const telling = lines.findLast(line => /error|exception|panic|fatal/i.test(line)) ?? lines.at(-1)
    return telling === undefined ? '' : `; its stderr: ${telling.trim().slice(0, 200)}`
  }
}

function parse(line: string): ProgramAnswer {
  const answer = json(line)
  if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) {
    if ('error' in answer && answer.error != null) return { error: String(answer.error) }
    if ('result' in answer) return { result: answer.result }
  }
  throw new ProgramFailed(`an answer is {"result":…} or {"error":"why"}, not ${quote(line)}`)
}

function json(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    const bom = line.startsWith('\ufeff') ? ', because a byte order mark is before it' : ''
    throw new ProgramFailed(
      `it printed a line that is not JSON${bom}: ${quote(line)}. stdout is for answers, and stderr for all else`,
    )
  }
}

const quote = (line: string): string => JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line)
