/** For tests: several cables of this process behind one front, as one cable. */
import { createFront, type Front } from '../../testing/front.ts'
import type { Cable } from '../cable.ts'

/** Returns the URLs of the cable that consists of these nodes. */
export async function behindOne(
  nodes: readonly Cable['url'][],
): Promise<{ urls: Cable['url']; closeFronts: () => Promise<void> }> {
  if (nodes.length === 1) return { urls: nodes[0]!, closeFronts: async () => {} }
  const fronts = new Map<string, Front>()
  const urls = { ...nodes[0]! }
  for (const name of ['cable', 'broadcast', 'api', 'metrics'] as const) {
    const [first, ...others] = nodes.map(node => new URL(node[name] ?? 'http://none:1'))
    if (first!.host === 'none:1') continue
    const front = fronts.get(first!.port) ?? (await createFront([first!, ...others].map(({ port }) => Number(port))))
    fronts.set(first!.port, front)
    urls[name] = nodes[0]![name]!.replace(`:${first!.port}`, `:${front.port}`)
  }
  return {
    urls,
    closeFronts: async () => void (await Promise.all(Array.from(fronts.values(), ({ close }) => close()))),
  }
}
