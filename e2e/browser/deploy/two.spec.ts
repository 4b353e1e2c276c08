/** deploy/compose.yml with two cables and Redis: one cable at a time restarts, and no page misses or refreshes anything. */
import { CLIENTS } from '../demo.ts'
import { expect, expectTrue, test } from './visitors.ts'

test.use({ isShared: true })

const SETTLED_MS = 30_000

for (const how of ['restarts', 'is killed'] as const) {
  test(`one cable after the other ${how}, and no page misses a card or refreshes`, async ({
    deployment,
    visit,
    write,
    render,
  }) => {
    // Of each client one page on each cable.
    const pages = []
    for (const client of [...CLIENTS, ...CLIENTS]) pages.push(await visit('typescript', client))
    const writer = write()
    await writer.acknowledged(3)

    for (const cable of ['cable', 'cable-2'] as const) {
      await deployment.stop(cable, how === 'is killed' ? 'kill' : undefined)
      const before = (await writer.acknowledged(0)).length
      await writer.acknowledged(before + 3)
      await deployment.start(cable)
    }
    const bodies = await writer.stop()

    for (const page of pages) await expectTrue(page, render, bodies, SETTLED_MS)
    expect(pages.map(({ closed }) => closed() > 0)).toEqual(pages.map(() => true))
    expect(pages.map(({ fetches }) => fetches())).toEqual(pages.map(() => 1))
  })
}
