/** Helpers of the history tests: they send messages and collect frames. */
import type { Client } from '../../testing/client.ts'
import type { TestCable } from './test-cable.ts'

/** Broadcasts a last message; returns the type or the message of each frame before it. */
export async function seen(cable: TestCable, client: Client, stream = 'a'): Promise<unknown[]> {
  await cable.broadcast(stream, 'last')
  const frames = await client.until(({ message }) => message === 'last')
  return frames.slice(0, -1).map(({ type, message }) => type ?? message)
}

/** Broadcasts each to the stream `a`. */
export const send = async (cable: TestCable, ...messages: string[]) => {
  for (const message of messages) await cable.broadcast('a', message)
}

/** A minute ago, in whole seconds. */
export const since = () => Math.floor(Date.now() / 1000) - 60
