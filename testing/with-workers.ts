/**
 * Runs a program with HOTCABLE_TEST_WORKERS: every cable that a suite starts then has four workers.
 *
 *   node testing/with-workers.ts node --test e2e/conformance/conformance.test.ts
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { endsWithUs } from './child.ts'

const [command = '', ...args] = process.argv.slice(2)
const env = { ...process.env, HOTCABLE_TEST_WORKERS: '4' }
const [code] = await once(endsWithUs(spawn(command, args, { env, stdio: 'inherit' })), 'exit')
process.exitCode = code ?? 1
