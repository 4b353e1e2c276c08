/**
 * Jitter: clients whose connections are cut at random while an app broadcasts, each with the server that it was made for.
 */
import { createInterface } from 'node:readline'
import type { Bench } from '../bench.ts'
import { quantile } from '../figures.ts'
import type { JitterResult, JitterSettings } from '../jitter/clients.ts'
import { SECRET } from '../peers/cables.ts'
import type { Peer } from '../peers/peer.ts'
import type { StockKind } from '../peers/stock-clients.ts'
import { cpuMs, GENERATOR_CORE, startProgram, waitedMs } from '../process.ts'

export const JITTER_SIZES = [200, 1_000] as const

export interface JitterContender {
  readonly peer: Peer
  readonly kind: StockKind
}

interface Measured extends JitterResult {
  /** Share of the time in which threads of the server waited for their core. */
  readonly serverWaited: number
}

const PROGRAM = 'bench/jitter/clients.ts'
/** A collection of the clients' garbage stops all of them for up to 130 ms, which would be the 99th percentile. */
const WITHOUT_PAUSES = [
  ...['--min-semi-space-size=2048', '--max-semi-space-size=2048'],
  ...['--initial-heap-size=8192', '--max-old-space-size=8192'],
]
const ROUNDS = 2
/** Of the time: a program that waited longer for its core was not alone, and a 99th percentile shows that first. */
const DISTURBED = 0.05
/** So long a collection of the clients' garbage in a round does so as well. */
const LONG_COLLECTION_MS = 20
/** We add these up over all rounds: a median would hide the only lost message. */
const COUNTS = ['lost', 'doubled', 'disordered'] as const

/** `folder` holds socket.io-client; `step` runs a measurement that may fail. */
export async function jitter(
  bench: Bench,
  contenders: readonly JitterContender[],
  folder: string,
  step: (what: string, measure: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const results = new Map<string, Measured[]>()
  for (let round = 0; round < (bench.quick ? 1 : ROUNDS); round++) {
    for (const size of JITTER_SIZES) {
      for (const contender of contenders) {
        const key = `${size} ${contender.peer.name}`
        await step(`jitter: ${contender.peer.name}, ${size} clients`, async () => {
          results.set(key, [...(results.get(key) ?? []), await measure(bench, contender, size, folder)])
        })
      }
    }
  }
  for (const [key, rounds] of results) {
    const [, size, name] = /^(\d+) (.*)/.exec(key)!
    const sum = (of: (result: Measured) => number) => rounds.reduce((all, result) => all + of(result), 0)
    for (const count of COUNTS)
      bench.figures.add(
        `jitter ${count} ${size}`,
        name!,
        sum(result => result[count]),
      )
    const most = (of: (result: Measured) => number) => Math.max(...rounds.map(of))
    const collectedMs = most(({ collectedMs }) => collectedMs)
    const waited = [most(({ serverWaited }) => serverWaited), most(({ waited }) => waited)] as const
    bench.note(
      [
        `jitter: ${name}, ${size} clients: ${sum(({ deliveries }) => deliveries)} deliveries, ${sum(({ cuts }) => cuts)} cuts, ${sum(({ replaysMs }) => replaysMs.length)} replays;`,
        `the clients were busy for ${percent(most(({ load }) => load))} of the time;`,
        `the server waited for its core for ${percent(waited[0])} of it, the clients for ${percent(waited[1])}`,
        `and collected garbage for ${Math.round(collectedMs)} ms`,
        ...(Math.max(...waited) > DISTURBED || collectedMs > LONG_COLLECTION_MS ? ['(unreliable for times)'] : []),
      ].join(' '),
    )
  }
}

async function measure(bench: Bench, { peer, kind }: JitterContender, size: number, folder: string): Promise<Measured> {
  const { port, postPort, program } = await peer.start()
  try {
    const ms = bench.quick ? 5_000 : 15_000
    const settings: JitterSettings = { kind, port, postPort, secret: SECRET, folder, clients: size, ms }
    const clients = await startProgram(process.execPath, [...WITHOUT_PAUSES, PROGRAM, JSON.stringify(settings)], {
      core: GENERATOR_CORE,
      ready: /^live$/,
    })
    try {
      const lines = createInterface({ input: clients.child.stdout! })[Symbol.asyncIterator]()
      const line = async () => {
        const { value, done } = await lines.next()
        if (done) throw new Error(`the clients ended:\n${clients.lines.join('\n')}`)
        return value
      }
      await line()
      const [before, waitedBefore, began] = [cpuMs(program.pid), waitedMs(program.pid), performance.now()]
      await line()
      const lasted = performance.now() - began
      const [spent, serverWaited] = [cpuMs(program.pid) - before, (waitedMs(program.pid) - waitedBefore) / lasted]
      const result = JSON.parse(await line()) as JitterResult
      const add = (what: string, value: number) => bench.figures.add(`jitter ${what} ${size}`, peer.name, value)
      // A server without a history replays nothing.
      if (result.replaysMs.length > 0) {
        const [replays, absences] = [result.replaysMs, result.absencesMs].map(each => each.toSorted((a, b) => a - b))
        add('replay p50', quantile(replays!, 0.5))
        add('replay p99', quantile(replays!, 0.99))
        add('absence p99', quantile(absences!, 0.99))
      }
      add('us', (1_000 * spent) / result.measured)
      add('busy', (100 * spent) / lasted)
      return { ...result, serverWaited }
    } finally {
      await clients.stop()
    }
  } finally {
    await program.stop()
  }
}

const percent = (share: number): string => `${Math.round(100 * share)} %`
