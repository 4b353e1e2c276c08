/**
 * The suite, run against our cable, and against the real AnyCable when the gem anycable-thruster is here.
 */
import { after } from 'node:test'
import { findAnycable, startAnycable, startHotcable } from './servers.ts'
import { cableTests, differences } from './suite.ts'

cableTests('hotcable', flags => startHotcable(flags))

const anycable = findAnycable()
if (anycable) cableTests('anycable', startAnycable(anycable))
else console.log('NOT COMPARED WITH ANYCABLE: npm run setup -- --reference, and run this again.')

after(() => {
  const all = differences()
  console.log(`\nWhere AnyCable does otherwise (${all.length}):`)
  for (const { title, anycable, why } of all) console.log(`- ${title}\n  AnyCable ${anycable}\n  ${why}`)
})
