/**
 * `npm run demo:outage`: see pages heal. While `npm start` runs, its cable is killed and kept away for ten seconds, cards
 * are added in every language meanwhile, and every open page catches up by itself.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { NEIGHBOURS } from '../backends/harness/languages.ts'
import { OUTAGE_MS } from './child.ts'
import { untilHealthy } from './health.ts'
import { databaseFile, find } from './running.ts'

const CARDS = 8
/** Before the cable goes, so that there is time to look at the page. */
const LOOK_MS = 2000

const usual = Object.values(NEIGHBOURS).filter(({ isExtra }) => !isExtra)
const paths = ['/', ...usual.map(({ name }) => `/${name}/`)]

const running = find(databaseFile(process.env.HOTCABLE_DB))
if (running === undefined) {
  const other = `http://localhost:${process.env.PORT || 3000}`
  const isThere = (await untilHealthy([`${other}/health`], 0)).length === 0
  console.error(
    isThere ? byHand(other) : 'Nothing is running: npm start, open the page, then this in a second terminal',
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
say(`The cable is stopped for ${OUTAGE_MS / 1000} s, and cards are added`)
const until = performance.now() + OUTAGE_MS
let added = 0
for (let number = 1; number <= CARDS; number++) {
  const path = paths[number % paths.length]!
  if (await add(path, `Written while the cable was away, ${number} of ${CARDS}`)) added++
  await pause(Math.max(0, (until - performance.now()) / (CARDS - number + 1) - 100))
}
await pause(Math.max(0, until - performance.now()))
say(`${added} cards were added meanwhile. The cable comes back, and every page catches up by itself`)

/** A cable that `npm start` did not start is not ours to kill. */
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
