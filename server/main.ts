/** `npm run cable -- <settings>`: the cable, with AnyCable's defaults. */
import process from 'node:process'
import { watchOutput } from './base/output.ts'
import { runCable } from './run.ts'

watchOutput(process, 'cable')
process.exitCode = await runCable(process.argv.slice(2), process.env, { usage: 'npm run cable -- [settings]' })
