/**
 * `npm run soak`: does a page ever stay wrong? Three minutes of broadcasts to 200 pages with bad networks and a cable that
 * the soak kills; the exit code is 1 if a page stayed wrong.
 *
 *   -- --minutes=3 --clients=200 --seed=…    how long, how many pages, and which faults
 *   -- --without-history                     the control: it must lose messages, or the soak proves nothing
 *   -- --pages                               instead: 500 pages refresh after a restart, without overrunning the app
 */
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { soak } from './soak.ts'
import { stampede } from './stampede.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    clients: { type: 'string' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    'without-history': { type: 'boolean', default: false },
    pages: { type: 'boolean', default: false },
  },
})
const isWell = values.pages
  ? await stampede(Number(values.clients ?? 500))
  : await soak({
      minutes: Number(values.minutes),
      pages: Number(values.clients ?? 200),
      seed: Number(values.seed),
      withoutHistory: values['without-history'],
    })
process.exit(isWell ? 0 : 1)
