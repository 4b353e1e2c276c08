/**
 * Runs the suite against our cable, and against the real AnyCable if the gem anycable-thruster is here.
 */
import { after } from 'node:test'
import { findAnycable, startAnycable, startHotcable } from './servers.ts'
import { cableTests, differences } from './suite.ts'

cableTests('hotcable', flags => startHotcable(flags))

const anycable = findAnycable()
const { HOTCABLE_TEST_SEED: seed, HOTCABLE_TEST_REDIS: redis, HOTCABLE_TEST_WORKERS: workers } = process.env
if ((seed ?? redis ?? workers) !== undefined) console.log('Not compared with AnyCable, whose broker answers at once.')
else if (anycable) cableTests('anycable', startAnycable(anycable))
else console.log('NOT COMPARED WITH ANYCABLE, which is not here: npm run setup -- --reference installs it.')

after(() => {
  const all = differences()
  console.log(`\nWhere AnyCable differs (${all.length}):`)
  for (const { title, anycable, why } of all) console.log(`- ${title}\n  AnyCable ${anycable}\n  ${why}`)
})
