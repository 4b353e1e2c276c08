/** deploy/compose.yml with one cable: over TLS, in every language, and while one service at a time restarts. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connect } from 'node:tls'
import { commandsOf } from '../../deploy/commands.ts'
import { CLIENTS, card, unique } from '../demo.ts'
import { expect, expectTrue, test } from './visitors.ts'

/** From the moment that the cable is ready. */
const TRUE_AGAIN_MS = 15_000

test("the site has a certificate of Caddy's own CA, and sends no broadcast to the cable", async ({ deployment }) => {
  const { port, origin } = new URL(deployment.origin)
  const socket = connect({ host: 'localhost', port: Number(port), servername: 'localhost', ca: await deployment.ca() })
  await once(socket, 'secureConnect')
  expect(socket.authorized).toBe(true)
  socket.destroy()

  // The app answers instead.
  const { get } = await import('node:https')
  for (const path of ['/_broadcast', '/api/stats', '/metrics', '/ready']) {
    const [answer] = await once(get(origin + path, { rejectUnauthorized: false }), 'response')
    expect([path, answer.resume().statusCode]).toEqual([path, 404])
  }
})

test('a card of each Board appears on a page of each, over TLS', async ({ deployment, visit, add }) => {
  const pages = await Promise.all(deployment.languages.map(language => visit(language)))

  for (const language of deployment.languages) {
    const body = unique(`written in ${language}`)
    await add(body, language)
    for (const { page } of pages) await expect(card(page, body)).toHaveCount(1)
  }
  expect(pages.map(({ fetches }) => fetches())).toEqual(pages.map(() => 1))
})

test('a restart of the app closes no socket, and its next card arrives', async ({ deployment, visit, add }) => {
  const pages = await Promise.all(CLIENTS.map(client => visit('typescript', client)))

  await deployment.stop('web')
  await deployment.start('web')
  const body = unique('after the restart')
  await add(body)

  for (const { page } of pages) await expect(card(page, body)).toHaveCount(1)
  expect(pages.map(({ closed, fetches }) => [closed(), fetches()])).toEqual([
    [0, 1],
    [0, 1],
  ])
})

test('the commands of docs/operating.md copy the database while it is in use', async ({ deployment, add }) => {
  const { shell } = deployment
  test.skip(shell === undefined, 'only with docker-compose')
  const [commands] = commandsOf('docs/operating.md', '## Backup')
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-backup-'))
  const body = unique('before the backup')
  await add(body)

  await shell!(commands!, folder)

  const copy = new DatabaseSync(join(folder, 'backup.sqlite3'))
  expect(copy.prepare('select count(*) as found from cards where body = ?').get(body)).toEqual({ found: 1 })
  copy.close()
  rmSync(folder, { recursive: true })
})

test('the commands of docs/operating.md upgrade the cable, and go back', async ({ deployment, visit, add }) => {
  const { shell } = deployment
  test.skip(shell === undefined, 'only with docker-compose')
  const [upgrade, back] = commandsOf('docs/operating.md', '## Upgrades')
  const cable = '"$(docker compose -f deploy/compose.yml ps -q cable)"'
  const label = `"$(docker inspect -f '{{index .Config.Labels "version"}}' ${cable})"`
  await shell!(
    `image=$(docker inspect -f '{{.Config.Image}}' ${cable})
printf 'FROM %s\\nLABEL version=old\\n' "$image" | docker build -t "$image" -
docker compose -f deploy/compose.yml up -d --no-deps cable
test ${label} = old`,
    '.',
  )
  const { page } = await visit('typescript')

  await shell!(`${upgrade}\ntest ${label} = ""`, '.')
  const upgraded = unique('after the upgrade')
  await add(upgraded)
  await expect(card(page, upgraded)).toHaveCount(1)

  await shell!(`${back}\ntest ${label} = old`, '.')
  const old = unique('with the old version')
  await add(old)
  await expect(card(page, old)).toHaveCount(1)
})

for (const how of ['stopped properly', 'killed'] as const) {
  test(`a cable is ${how}, and 15 s after it is back every page has every acknowledged card`, async ({
    deployment,
    visit,
    write,
    render,
  }) => {
    const pages = await Promise.all(CLIENTS.map(client => visit('typescript', client)))
    const writer = write()
    await writer.acknowledged(3)

    await deployment.stop('cable', how === 'killed' ? 'kill' : undefined)
    const before = (await writer.acknowledged(0)).length
    await writer.acknowledged(before + 5)
    await deployment.start('cable')
    const deadline = performance.now() + TRUE_AGAIN_MS
    await writer.acknowledged(before + 10)
    const bodies = await writer.stop()

    for (const page of pages) await expectTrue(page, render, bodies, deadline - performance.now())
  })
}
