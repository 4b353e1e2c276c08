/**
 * The cable with a broker that answers later (delaying-broker.ts), for the suites that start a cable as a program.
 *
 *   HOTCABLE_TEST_SEED=7 node server/test/delayed-main.ts --secret=…
 */
import { env } from 'node:process'
import { createCable } from '../cable.ts'
import { readConfig } from '../config/read.ts'
import { createLog } from '../log.ts'
import { createDelayingBroker } from './delaying-broker.ts'

const { HOTCABLE_TEST_SEED: seed = '1' } = env
const config = readConfig(process.argv.slice(2), env)
const log = createLog(config.settings.log_level, config.settings.log_format)
const cable = createCable(config, {
  log,
  // (Without a history the broker is always the one in this process.)
  wrapBroker: memory =>
    config.settings.broker === 'none' ? memory : createDelayingBroker(memory, { seed: Number(seed), maxMs: 50 }),
})
process.on('SIGTERM', async () => {
  await cable.close()
  process.exit(0)
})
await cable.listen()
log.info(`clients connect to ${cable.url.cable}`)
log.info(`backends broadcast to ${cable.url.broadcast}`)
