/**
 * Cables as processes on ports that they keep, and a balancer that follows /ready, as an operator's would.
 */
import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { position } from '../../backends/typescript/hotcable.ts'
import { freePorts, LOOPBACK } from '../../start/network.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { derived, SECRET } from '../conformance/signing.ts'

/** Runs what was registered when a row ends, the last one first. */
export interface Stage {
  after: (end: () => Promise<void>) => void
}

export interface NodeSettings {
  readonly flags: readonly string[]
  /** Its environment. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Longer than the steps of a run, so that the history is not what fails. */
const USUAL = [`--host=${LOOPBACK}`, `--secret=${SECRET}`, '--turbo_streams', '--history_limit=2000']
const PROBE_MS = 100
const LINES = 400

export class Node {
  readonly port: number
  /** What it logged last. */
  readonly lines: string[] = []
  /** What its /ready said last. */
  isReady = false
  readonly #start: () => Promise<RunningCable>
  #running: RunningCable | undefined

  constructor(port: number, { flags, settings = {} }: NodeSettings) {
    this.port = port
    this.#start = () => startCable([`--port=${port}`, ...USUAL, ...flags], { settings })
  }

  /** The settings that the helpers take. */
  get backend(): { readonly url: string; readonly key: string } {
    return { url: `http://${LOOPBACK}:${this.port}/_broadcast`, key: derived('broadcast-cable') }
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get pid(): number {
    return this.#running!.child.pid!
  }

  async start(): Promise<void> {
    this.#running = await this.#start()
    this.lines.push(...this.#running.firstLines)
    this.#running.child.stdout!.setEncoding('utf8').on('data', text => {
      this.lines.push(...text.trimEnd().split('\n'))
      this.lines.splice(0, this.lines.length - LINES)
    })
  }

  /** Resolves once it has exited. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.isReady = false
    await this.#running?.stop(signal)
    this.#running = undefined
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running!.child.kill(name)
  }

  async probe(): Promise<void> {
    const { ok } = await fetch(`http://${LOOPBACK}:${this.port}/ready`, { signal: AbortSignal.timeout(1_000) }).catch(
      () => ({ ok: false }),
    )
    this.isReady = ok && this.isRunning
  }

  /** Whether the newest of the lines that match `subject` matches `state`. */
  says(subject: RegExp, state: RegExp): boolean {
    return state.test(this.lines.findLast(line => subject.test(line)) ?? '')
  }
}

export class Nodes {
  readonly all: readonly Node[]
  #turn = 0

  constructor(all: readonly Node[]) {
    this.all = all
  }

  /** The node for a connection: each turn has another one, of those that are ready if any is. */
  at(turn: number): Node {
    const ready = this.all.filter(({ isReady }) => isReady)
    const from = ready.length > 0 ? ready : this.all
    return from[turn % from.length]!
  }

  /** Resolves with the node of which this is true, once there is one. Rejects after a minute. */
  async find(isIt: (node: Node) => boolean): Promise<Node> {
    await until(() => this.all.some(isIt))
    return this.all.find(isIt)!
  }

  position(streams: readonly string[]): Promise<string> {
    return position(streams, this.at(this.#turn++).backend)
  }
}

/** Resolves when one of them is ready. */
export async function startNodes(stage: Stage, count: number, of: (n: number) => NodeSettings): Promise<Nodes> {
  const ports = await freePorts(count)
  const nodes = new Nodes(ports.map((port, n) => new Node(port, of(n))))
  stage.after(async () => void (await Promise.all(nodes.all.map(node => node.end('SIGKILL')))))
  await Promise.all(nodes.all.map(node => node.start()))
  let isOver = false
  const probing = nodes.all.map(async node => {
    for (; !isOver; await pause(PROBE_MS)) await node.probe()
  })
  stage.after(async () => {
    isOver = true
    await Promise.all(probing)
  })
  await nodes.find(({ isReady }) => isReady)
  return nodes
}

/** The processes that a process has started. */
export const childrenOf = (pid: number): number[] =>
  execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number)

/** Rejects after a minute. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not in a minute: ${isTrue}`)
    await pause(50)
  }
}
