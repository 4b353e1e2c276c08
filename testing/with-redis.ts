/**
 * Runs a program with a new Redis, whose URL is HOTCABLE_TEST_REDIS: every cable that a suite starts then has --broker=redis.
 *
 *   node testing/with-redis.ts node --test server/test/resume.test.ts
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { endsWithUs } from './child.ts'
import { startRedis } from './redis.ts'

const [command = '', ...args] = process.argv.slice(2)
const ends: (() => unknown)[] = []
const redis = await startRedis({ after: (end: () => unknown) => void ends.push(end) })
const env = { ...process.env, HOTCABLE_TEST_REDIS: redis.url }
const [code] = await once(endsWithUs(spawn(command, args, { env, stdio: 'inherit' })), 'exit')
for (const end of ends) await end()
process.exitCode = code ?? 1
