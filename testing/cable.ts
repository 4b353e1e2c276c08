/** A cable of one's own, started for real on free ports; and a client that reads its frames one by one. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'

export interface Cable {
  readonly child: ChildProcess
  /** Where clients connect. */
  readonly url: string
  /** Where backends POST. */
  readonly broadcast: string
  /** What they show there: the key that is derived from the secret. */
  readonly key: string
}

interface Frame {
  type?: string
  reason?: string
  message?: unknown
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

/** A client of `url`, which has its token in the query. Pings are not told; waiting for a frame fails when it is closed. */
export async function connect(t: { after: (clean: () => void) => void }, url: string) {
  const ws = new WebSocket(url, ['actioncable-v1-json'])
  t.after(() => ws.terminate())
  const frames: Frame[] = []
  const waiting: { resolve: (frame: Frame) => void; reject: (error: Error) => void }[] = []
  let closed: Error | undefined
  ws.on('message', data => {
    const frame: Frame = JSON.parse(String(data))
    if (frame.type === 'ping') return
    const next = waiting.shift()
    if (next) next.resolve(frame)
    else frames.push(frame)
  })
  ws.on('close', code => {
    closed = new Error(`the cable closed with ${code}, and nothing more will come`)
    for (const { reject } of waiting.splice(0)) reject(closed)
  })
  const next = (): Promise<Frame> => {
    if (frames.length > 0) return Promise.resolve(frames.shift()!)
    if (closed) return Promise.reject(closed)
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
  }
  await once(ws, 'open')
  let welcomed = false
  return {
    next,
    /** The cable answers in order: what was broadcast before comes before the pong. */
    ping: () => ws.send('{"command":"ping"}'),
    async subscribe(signed: string): Promise<Frame> {
      if (!welcomed) assert.equal((await next()).type, 'welcome')
      welcomed = true
      ws.send(
        JSON.stringify({
          command: 'subscribe',
          identifier: JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: signed }),
        }),
      )
      return await next()
    },
  }
}
