#!/usr/bin/env node
/** The command `hotcable`. From the clone: npm run -s hotcable -- <command>. */
import process from 'node:process'
import { watchOutput } from '../server/base/output.ts'
import { run } from './run.ts'

watchOutput(process, 'hotcable')
const { env, stdin, stdout, stderr } = process
// (Not process.exit: output to a pipe may still wait to be written.)
process.exitCode = await run(process.argv.slice(2), { env, stdin, stdout, stderr, cwd: process.cwd() })
