/**
 * Pacing: jobs are done at once while they are few, and in their turn when they are many: a tenth of a second's jobs, then
 * evenly, so that no second has more than 1.1 times the rate.
 *
 * Every refresh is a request to the app. After a restart all pages want one at the same moment, and an app that is being
 * deployed must not be asked at all: what it answers with 502 would replace the page.
 */

export interface PaceSettings {
  /** Jobs a second. */
  readonly rate: number
  /** No job is done before, ms of the monotonic clock. */
  readonly notBefore: number
  readonly monotonic: () => number
  /** Calls back in a while. */
  readonly later: (ms: number, then: () => void) => void
  /** Whether jobs may be done at all; asked at most once a second while there are any. `undefined`: always. */
  readonly check: (() => Promise<boolean>) | undefined
}

export interface Pace {
  /** Does the job in its turn; one that is not wanted any more then takes no turn. */
  ask: (job: { wanted: () => boolean; run: () => void }) => void
  /** How many wait. */
  readonly waiting: number
}

const CHECK_MS = 1_000

export function createPace({ rate, notBefore, monotonic, later, check }: PaceSettings): Pace {
  const jobs: { wanted: () => boolean; run: () => void }[] = []
  const atOnce = Math.max(1, rate / 10)
  let turns = atOnce
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
    if (asleep || jobs.length === 0) return
    const time = monotonic()
    if (time < notBefore) return sleep(notBefore - time)
    if (check !== undefined && time - checkedAt >= CHECK_MS) return void look(check)
    turns = Math.min(atOnce, turns + ((time - counted) / 1000) * rate)
    counted = time
    while (jobs.length > 0 && turns >= 1) {
      const job = jobs.shift()!
      if (!job.wanted()) continue
      turns--
      job.run()
    }
    if (jobs.length > 0) sleep(Math.ceil(1000 / rate))
  }

  async function look(check: () => Promise<boolean>): Promise<void> {
    asleep = true
    const well = await check()
    asleep = false
    if (!well) return sleep(CHECK_MS)
    checkedAt = monotonic()
    work()
  }

  return {
    ask(job) {
      jobs.push(job)
      work()
    },
    get waiting() {
      return jobs.length
    },
  }
}

/** Whether an app answers below 500; no answer in 2 s is one of 500. */
export const answersBelow500 = (url: string) => async (): Promise<boolean> => {
  try {
    const { status, body } = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) })
    await body?.cancel()
    return status < 500
  } catch {
    return false
  }
}
