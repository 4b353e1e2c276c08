/**
 * `npm run demo:outage`: shows how pages heal. It kills the cable of a running `npm start` and keeps it away for ten seconds,
 * adds cards in every language meanwhile, and every open page catches up.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { NEIGHBOURS } from '../backends/harness/languages.ts'
import { withDotEnv } from '../server/config/dot-env.ts'
import { OUTAGE_MS } from './child.ts'
import { untilHealthy } from './health.ts'
import { databaseFile, find } from './running.ts'

const CARDS = 8
/** Time to look at the page before the cable goes. */
const LOOK_MS = 2000

const usual = Object.values(NEIGHBOURS).filter(({ isExtra }) => !isExtra)
const paths = ['/', ...usual.map(({ name }) => `/${name}/`)]

const running = find(databaseFile(withDotEnv(process.env, process.cwd()).env.HOTCABLE_DB))
if (running === undefined) {
  const other = `http://localhost:${process.env.PORT || 3000}`
  const isThere = (await untilHealthy([`${other}/health`], 0)).length === 0
  console.error(
    isThere
      ? byHand(other)
      : 'The demo is not running. Run npm start, open the page, then run this in a second terminal',
  )
  process.exit(1)
}
const { pid, url, ownsCable } = running
if (!ownsCable) {
  console.error(
    `npm start uses a cable that it did not start. Stop and start that cable yourself, and look at ${url}/compare`,
  )
  process.exit(1)
}
const say = (line: string): void => console.log(line)

say(`Look at ${url}/compare`)
await pause(LOOK_MS)
process.kill(pid, 'SIGUSR2')
say(`The cable is stopped for ${OUTAGE_MS / 1000} s; meanwhile this adds cards`)
const until = performance.now() + OUTAGE_MS
let added = 0
for (let number = 1; number <= CARDS; number++) {
  const path = paths[number % paths.length]!
  if (await add(path, `Written while the cable was away, ${number} of ${CARDS}`)) added++
  await pause(Math.max(0, (until - performance.now()) / (CARDS - number + 1) - 100))
}
await pause(Math.max(0, until - performance.now()))
say(`Added ${added} cards. The cable starts again, and every open page catches up`)

/** We do not kill a cable that `npm start` did not start. */
function byHand(url: string): string {
  return `npm start did not start the server at ${url}. In compose, make the outage by hand:
  docker compose kill cable
  curl -d 'body=Written while the cable was away' ${url}/cards
  docker compose up -d cable`
}

/** Whether the Board took the card; a language that does not run here does not. */
async function add(path: string, body: string): Promise<boolean> {
  const form = new URLSearchParams({ author: 'Outage', body })
  const answer = await fetch(`${url}${path}cards`, { method: 'POST', body: form, redirect: 'manual' })
  return answer.status === 303
}
