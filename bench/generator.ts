/**
 * Runs the load generator, native/generator.c, as a separate process.
 */
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { GENERATOR_CORE, type MeasuredProgram, startProgram } from './process.ts'

/** Group of a client that reads nothing. */
export const DEAF = 0xffffffff

export interface ClientRecord {
  /** The clients of one stream have the same group. */
  group: number
  /** The upgrade request. */
  hello: string
  /** Complete frames that the client sends once the server has greeted it. */
  words: Buffer
}

export interface PostRecord {
  group: number
  /** 0: sent in turn with the others. n: sent after every n-th of the others, and not measured. */
  every?: number
  /** The whole request. */
  request: Buffer
}

export interface RunOptions {
  ms: number
  /** How many messages may be in flight. */
  window?: number
  most?: number
  /** Time between POSTs; 0: as soon as the window allows. */
  paceUs?: number
}

export interface Run {
  posts: number
  side: number
  /** Messages delivered. */
  frames: number
  ms: number
  /** Time in which the generator was idle. */
  idleMs: number
  /** From POST to each client, ms. */
  p50: number
  p99: number
  /** From POST to the last client, ms, of each message. */
  toLast: number[]
  /** The last message that the first client received. */
  sample: string
}

export class Generator {
  readonly #program: MeasuredProgram
  readonly #lines: AsyncIterator<string>
  readonly #file: string

  /** `binary` was built from native/; `scratch` is a folder. */
  static async start(binary: string, scratch: string): Promise<Generator> {
    const program = await startProgram(binary, [], { core: GENERATOR_CORE, ready: /ready/ })
    return new Generator(program, `${scratch}/generator-${program.pid}`)
  }

  constructor(program: MeasuredProgram, file: string) {
    this.#program = program
    this.#file = file
    this.#lines = createInterface({ input: program.child.stdout! })[Symbol.asyncIterator]()
  }

  /** Adds clients, `atOnce` handshakes at a time; `greeting` and `confirmation` are parts of the server's messages. */
  async connect(
    port: number,
    clients: readonly ClientRecord[],
    { greeting = '', confirmation = '', atOnce = 128 } = {},
  ): Promise<void> {
    this.#write(clients.map(({ group, hello, words }) => [u32(group), sized(Buffer.from(hello)), sized(words)]))
    await this.#ask(`connect ${port} ${this.#file} ${atOnce} ${greeting || '-'} ${confirmation || '-'}`)
  }

  async posts(port: number, posts: readonly PostRecord[], { connections = 16, batch = 1 } = {}): Promise<void> {
    this.#write(posts.map(({ group, every = 0, request }) => [u32(group), u32(every), sized(request)]))
    await this.#ask(`posts ${port} ${connections} ${batch} ${this.#file}`)
  }

  /** Throws unless each client received each message of its group once. */
  async run({ ms, window = 1, most = 1e6, paceUs = 0 }: RunOptions): Promise<Run> {
    const run = await this.#ask(`run ${ms} ${window} ${most} ${paceUs}`)
    const { frames, expected, surplus, unanswered } = run
    if (frames !== expected || surplus > 0 || unanswered > 0)
      throw new Error(`${frames} of ${expected} messages arrived, ${surplus} too many, ${unanswered} answers missing`)
    return { ...run, sample: Buffer.from(run.sample, 'hex').toString() }
  }

  async leave(): Promise<void> {
    await this.#ask('leave')
  }

  async stop(): Promise<void> {
    rmSync(this.#file, { force: true })
    this.#program.child.stdin!.end()
    if (this.#program.child.exitCode === null) await once(this.#program.child, 'exit')
  }

  #write(records: Buffer[][]): void {
    writeFileSync(this.#file, Buffer.concat([u32(records.length), ...records.flat()]))
  }

  async #ask(command: string) {
    this.#program.child.stdin!.write(`${command}\n`)
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`the generator ended: ${command}`)
    const answer = JSON.parse(value)
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const sized = (bytes: Buffer) => Buffer.concat([u32(bytes.length), bytes])
