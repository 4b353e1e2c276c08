/** A page that two cables serve in turn. Neither has the history of the other. */
import { freePorts } from '../../../start/network.ts'
import { createProxy } from '../../../testing/proxy.ts'
import { CLIENTS, status } from '../demo.ts'
import { expect, look, renders, test } from '../site.ts'
import { restartableCable } from '../stack.ts'

for (const client of CLIENTS) {
  test(`a page refreshes itself if the cable that promised it a refresh is gone, and the next one knows of no gap (${client})`, async ({
    site,
    open,
  }) => {
    const [free] = await freePorts(1)
    const other = restartableCable(free!, '--heal_delay=600')
    await other.start()
    let serving = Number(new URL(site.cable.nodes()[0]!).port)
    const network = await createProxy(() => serving)
    let rendered = 0
    site.on('/', async ({ headers }) => {
      if (headers['x-anycable-operation'] === undefined) rendered++
      const html = await site.page(client, `<p id="renders">${rendered}</p>`)
      return html.replaceAll(/ws:\/\/localhost:\d+\/live\/cable/g, `ws://localhost:${network.port}/cable`)
    })
    const page = await open('/')
    await expect(status(page)).toHaveText('live')
    const meet = async (port: number) => {
      serving = port
      network.drop()
      await look(page)
    }

    const first = serving
    await meet(free!)
    await expect(status(page)).toHaveAttribute('title', /^Something is missing/)
    await meet(first)

    await expect(renders(page)).toHaveText('2')
    await expect(status(page)).toHaveText('live')
    await network.close()
    await other.kill()
  })
}
