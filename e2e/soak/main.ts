/** `npm run soak`: does a page ever stay wrong? */
import { randomInt } from 'node:crypto'
import { readOptions } from '../../start/options.ts'
import { soak } from './soak.ts'
import { stampede } from './stampede.ts'

const USAGE = `Usage: npm run soak [-- --minutes=3 --clients=200 --seed=NUMBER --without-history]
       npm run soak -- --pages [--clients=500]

Broadcasts to pages, while networks break and the soak kills the cable. The exit code is 1 if a page stayed wrong.

  --minutes=3        how long
  --clients=200      how many pages
  --seed=NUMBER      which faults
  --without-history  the control: it must lose messages, or the soak proves nothing
  --pages            instead: 500 pages refresh after a restart, without overrunning the app`

const values = readOptions(
  USAGE,
  {
    minutes: { type: 'string', default: '3' },
    clients: { type: 'string' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
    'without-history': { type: 'boolean', default: false },
    pages: { type: 'boolean', default: false },
  },
  ['minutes', 'clients', 'seed'],
)
const isWell = values.pages
  ? await stampede(Number(values.clients ?? 500))
  : await soak({
      minutes: Number(values.minutes),
      pages: Number(values.clients ?? 200),
      seed: Number(values.seed),
      withoutHistory: values['without-history'],
    })
process.exit(isWell ? 0 : 1)
