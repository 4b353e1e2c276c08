/** docs/progress.md: its app, and a page that was away for all steps but the first ones. */
import { expect } from 'playwright/test'
import { position } from '../../backends/typescript/hotcable.ts'
import { isMarked, mark } from './demo.ts'
import { FLASK, test } from './page-app.ts'

test('a page that was away during an export of docs/progress.md gets one message, and shows the end', async ({
  start,
  page,
}) => {
  const { origin, network, process, cable } = await start('docs/progress.md', 'In Flask', FLASK)
  const steps: string[] = []
  page.on('websocket', socket =>
    socket.on('framereceived', ({ payload }) => {
      const step = /(\d+) %/.exec(String(payload))?.[1]
      if (step !== undefined) steps.push(step)
    }),
  )
  await page.goto(origin)
  await expect(page.locator('hotcable-status')).toHaveText('live')
  await mark(page)
  network.cut()
  await process.ask('/export', { method: 'POST' })
  await expect.poll(() => position([], { url: cable.broadcast, key: cable.key })).toMatch(/^100\//)
  expect(steps).toEqual([])

  network.pass()

  await expect(page.locator('#export_7')).toHaveText('100 %')
  expect(steps).toEqual(['100'])
  expect(await isMarked(page)).toBe(true)
})
