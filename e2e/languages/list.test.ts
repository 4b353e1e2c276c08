/** Files that cannot read backends/languages.json when they run agree with it: CSS, containers, ports. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import LIST from '../../backends/languages.json' with { type: 'json' }

interface Row {
  readonly title: string
  readonly colours?: Record<string, string>
  readonly board?: { readonly port: number }
}

const rows = Object.entries<Row>(LIST)
const boards = rows.flatMap(([name, { board }]) => (board === undefined ? [] : [{ name, port: board.port }]))
const read = (path: string): string => readFileSync(path, 'utf8')

/** The lines of a service in docker-compose.yml. */
const serviceOf = (compose: string, name: string): string =>
  compose.split(new RegExp(`^  ${name}:.*$`, 'm'))[1]!.split(/^ {2}\w/m)[0]!

test('the style sheet has the colours of each language', () => {
  const css = read('web/client/styles/base.css')

  const blocks = [...css.matchAll(/^\[data-backend="(\w+)"\] \{\n([^}]*)\}/gm)].map(([, name, block]) => [
    name,
    Object.fromEntries([...block!.matchAll(/--([\w-]+): (.+);/g)].map(([, property, value]) => [property, value])),
  ])
  const listed = rows.flatMap(([name, { colours }]) => (colours === undefined ? [] : [[name, colours]]))
  assert.deepEqual(blocks, listed)
})

test('docker-compose.yml runs each Board that has a Dockerfile on its port, and gives web its URL', () => {
  const compose = read('docker-compose.yml')
  const contained = boards.filter(({ name }) => existsSync(`backends/${name}/Dockerfile`))

  const services = [...compose.matchAll(/build: \{ context: backends, dockerfile: (.+)\/Dockerfile \}/g)]
  const urls = [...compose.matchAll(/HOTCABLE_BOARD_([A-Z0-9]+)_URL: (.+)$/gm)].map(([, name, url]) => [name, url])
  const names = contained.map(({ name }) => name)
  assert.deepEqual(
    services.map(([, name]) => name),
    names,
  )
  assert.deepEqual(
    urls,
    contained.map(({ name, port }) => [name.toUpperCase(), `http://${name}:${port}`]),
  )
  assert.ok(compose.includes(`depends_on: [cable, ${names.join(', ')}]`))
  for (const { name, port } of contained) {
    const service = serviceOf(compose, name)
    assert.match(service, new RegExp(`127\\.0\\.0\\.1:${port}/health`))
    const dockerfile = read(`backends/${name}/Dockerfile`)
    assert.match(dockerfile, /^COPY languages\.json \/$/m)
    assert.match(dockerfile, new RegExp(`^COPY ${name}/\\S+ ${name}/\\S+ \\./$`, 'm'))
  }
})

test('docker-compose.yml gives the cable the outbox that the Boards write to', () => {
  const compose = read('docker-compose.yml')
  const [, path] = /^ {2}HOTCABLE_DB: (.+)$/m.exec(compose)!
  assert.match(compose, new RegExp(`^  HOTCABLE_OUTBOX: &outbox sqlite:${path}$`, 'm'))
  for (const name of ['outbox', 'cable']) {
    const service = serviceOf(compose, name)
    assert.match(service, /^ {4}<<: \*cable$/m)
    assert.match(service, /^ {6}HOTCABLE_OUTBOX: \*outbox$/m)
  }
  assert.match(compose, /^ {6}- --broadcast_adapter=http,outbox$/m)
  // The first container gives the volume its owner.
  for (const file of ['Dockerfile', ...globSync('backends/*/Dockerfile')]) {
    const [users, owners] = [/^USER 1000:1000$/gm, /chown 1000:1000 \/data$/gm].map(
      line => read(file).match(line)?.length,
    )
    assert.equal(owners, users, file)
  }
})

test('in the profile scale each Board runs once more, under its name', () => {
  const compose = read('docker-compose.yml')
  const contained = boards.filter(({ name }) => existsSync(`backends/${name}/Dockerfile`)).map(({ name }) => name)

  for (const name of [...contained, 'web']) {
    assert.match(compose, new RegExp(`^  ${name}: &${name}$`, 'm'))
    const service = serviceOf(compose, `scale-${name}`)
    assert.match(service, new RegExp(`^    <<: \\[\\*scale, \\*${name}\\]$`, 'm'))
    assert.match(service, new RegExp(`^    networks: \\{ scale: \\{ aliases: \\[${name}\\] \\} \\}$`, 'm'))
  }
  assert.ok(compose.includes(`depends_on: [caddy, ${contained.map(name => `scale-${name}`).join(', ')}]`))
})

test('each Board listens on its port', () => {
  for (const { name, port } of boards) {
    const sources = name === 'typescript' ? ['web/main.ts'] : globSync(`backends/${name}/board.*`)
    assert.ok(
      sources.some(path => read(path).includes(String(port))),
      `the Board of ${name} names port ${port}`,
    )
  }
})

test('a language is named by a word, because the name is part of a path, a variable and a class', () => {
  for (const [name] of rows) assert.match(name, /^[a-z][a-z0-9]*$/)
})
