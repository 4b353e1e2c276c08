/**
 * Pacing: runs a few jobs at once and many jobs in turns. A tenth of a second's jobs run at once, the others evenly, so that
 * no second has more than 1.1 times the rate.
 *
 *   ada      ─▶ job                      owners take turns, one job each:
 *   mallory  ─▶ job ─▶ job ─▶ job …      ada waits for one of mallory's jobs, however many there are
 *
 * Every refresh is a request to the app. After a restart all pages need one at the same moment, and during a deployment
 * of the app they must not ask at all: its 502 would replace the page.
 */
import { Queue, type QueuePlace } from './queue.ts'

export interface PaceSettings {
  /** Returns the jobs a second; it may change. */
  readonly rate: () => number
  /** No job runs before this time, in ms of the monotonic clock. */
  readonly notBefore: number
  readonly monotonic: () => number
  /** Calls `then` after so many ms. */
  readonly later: (ms: number, then: () => void) => void
  /** Whether jobs may run; called at most once a second while any wait. `undefined`: they always may. */
  readonly check: (() => Promise<boolean>) | undefined
}

/** Returns false if there was nothing to do; such a job costs no turn. Never throws. */
export type Job = () => boolean

export interface Pace {
  /** Runs the job in its owner's turn, after the owner's earlier jobs. Returns a function that takes the job back. */
  ask: (owner: string, job: Job) => () => void
  /** How many jobs wait. */
  readonly waiting: number
}

/** The jobs of one owner. */
interface Line {
  readonly jobs: Queue<Job>
  place: QueuePlace<string>
}

const CHECK_MS = 1_000
/** Number of jobs with nothing to do that the pace skips before it yields to the event loop. */
const MAX_SKIPPED = 1_000

export function createPace({ rate, notBefore, monotonic, later, check }: PaceSettings): Pace {
  const lines = new Map<string, Line>()
  /** Owners, the next one first. */
  const order = new Queue<string>()
  let waiting = 0
  const atOnce = () => Math.max(1, rate() / 10)
  let turns = atOnce()
  let counted = monotonic()
  let checkedAt = Number.NEGATIVE_INFINITY
  let asleep = false

  const sleep = (ms: number) => {
    asleep = true
    later(ms, () => {
      asleep = false
      work()
    })
  }

  function work(): void {
    if (asleep || waiting === 0) return
    const time = monotonic()
    if (time < notBefore) return sleep(notBefore - time)
    if (check !== undefined && time - checkedAt >= CHECK_MS) return void look(check)
    turns = Math.min(atOnce(), turns + ((time - counted) / 1000) * rate())
    counted = time
    for (let looks = 0; waiting > 0 && turns >= 1 && looks < MAX_SKIPPED; looks++) if (next()()) turns--
    if (waiting > 0) sleep(Math.ceil(1000 / rate()))
  }

  async function look(check: () => Promise<boolean>): Promise<void> {
    asleep = true
    const well = await check()
    asleep = false
    if (!well) return sleep(CHECK_MS)
    checkedAt = monotonic()
    work()
  }

  /** Takes the next owner's next job, and moves the owner behind all others. */
  function next(): Job {
    const owner = order.take()!
    const line = lines.get(owner)!
    const job = line.jobs.take()!
    waiting--
    if (line.jobs.first === undefined) lines.delete(owner)
    else line.place = order.join(owner)
    return job
  }

  return {
    ask(owner, job) {
      const line = lines.get(owner) ?? { jobs: new Queue(), place: order.join(owner) }
      lines.set(owner, line)
      let waits = true
      const place = line.jobs.join(() => {
        waits = false
        return job()
      })
      waiting++
      work()
      return () => {
        if (!waits) return
        waits = false
        waiting--
        line.jobs.leave(place)
        if (line.jobs.first !== undefined) return
        lines.delete(owner)
        order.leave(line.place)
      }
    },
    get waiting() {
      return waiting
    },
  }
}

/** Whether an app answers, in 2 s, and with neither 429 nor 5xx. */
export const isWell = (url: string) => async (): Promise<boolean> => {
  try {
    const { status, body } = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) })
    await body?.cancel()
    // An app that limits requests (429) would answer refreshes so as well, and its answer replaces the page.
    return status < 500 && status !== 429
  } catch {
    return false
  }
}

/** Settings, by their names. */
export interface HealingSettings {
  readonly heal: string
  /** Refreshes a second. */
  readonly heal_rate: number
  /** Seconds after the start without refreshes. */
  readonly heal_delay: number
  /** The URL to ask before refreshes; empty: none. */
  readonly heal_check: string
}

export interface RefreshPaceParts extends Pick<PaceSettings, 'later' | 'monotonic'> {
  /** Returns how many nodes share the rate, because their pages belong to one app. */
  nodes?: () => number
}

/** Returns the pace of refreshes; `undefined`: the cable asks no page to refresh. */
export function createRefreshPace(
  settings: HealingSettings,
  { nodes = () => 1, later, monotonic }: RefreshPaceParts,
): Pace | undefined {
  if (settings.heal === 'off') return undefined
  return createPace({
    rate: () => settings.heal_rate / nodes(),
    notBefore: monotonic() + settings.heal_delay * 1000,
    check: settings.heal_check === '' ? undefined : isWell(settings.heal_check),
    later,
    monotonic,
  })
}
