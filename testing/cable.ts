/** For tests: a real cable on free ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createInterface } from 'node:readline'

export interface Cable {
  readonly child: ChildProcess
  /** Where clients connect. */
  readonly url: string
  /** Where backends POST. */
  readonly broadcast: string
  /** What they show there: the key that is derived from the secret. */
  readonly key: string
}

export async function startCable(secret: string): Promise<Cable> {
  const argv = [
    'server/main.ts',
    '--turbo_streams',
    '--port=0',
    '--max_subscriptions=1000',
    '--log_level=info',
    '--dev',
  ]
  const child = spawn(process.execPath, argv, {
    env: { ...process.env, ANYCABLE_SECRET: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let url = ''
  for await (const line of createInterface({ input: child.stdout })) {
    url = /clients connect to (\S+)/.exec(line)?.[1] ?? url
    const broadcast = /broadcast to (\S+)/.exec(line)?.[1]
    if (broadcast) {
      child.stdout.resume()
      return { child, url, broadcast, key: createHmac('sha256', secret).update('broadcast-cable').digest('hex') }
    }
  }
  throw new Error('the cable did not start')
}
