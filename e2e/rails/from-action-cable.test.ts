/**
 * docs/from-action-cable.md: its commands run, and its lines are applied, in an app that `rails new` makes. Clients send messages through
 * Action Cable, through both, and through the cable, by each way of RPC and without RPC.
 */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { BUNDLER } from '../../backends/harness/libraries.ts'
import { freePorts } from '../../start/network.ts'
import { end, healthy } from '../../testing/child.ts'
import { type Client, connect, turboIdentifier } from '../../testing/client.ts'
import type { Transport } from '../../testing/rpc-app.ts'
import { apply, editsIn } from '../browser/guide.ts'
import { missingFor, perform } from '../languages/rails-chat.ts'
import { makeRailsApp, type RailsApp, until } from './rails-app.ts'

type Scope = Parameters<typeof makeRailsApp>[0]

const missing = async (transport: Transport) =>
  missingFor(transport) || (!(await BUNDLER.isPresent()) && 'Bundler is not here: npm run setup')

const PAGE = readFileSync('docs/from-action-cable.md', 'utf8')
const SECTIONS = new Map(PAGE.split('\n## ').map(section => [section.split('\n', 1)[0]!, section]))
const FILE = /^`([^`\s]+)`\n\n```(?!diff)\w+\n(.*?)^```/gms
const blocksOf = (title: string, language: string): string[] =>
  [
    ...SECTIONS.get(title)!
      .replaceAll(FILE, '')
      .matchAll(/^```(\w+)\n(.*?)^```/gms),
  ].flatMap(([, of, block]) => (of === language ? [block!] : []))

const [GEM] = blocksOf('The gem, and its generator', 'ruby')
const [GENERATE] = blocksOf('The gem, and its generator', 'sh')
const ROOM = JSON.stringify({ channel: 'ChatChannel', room: 'green' })

/** The command of the package, from this clone. */
const PACKAGE = 'npx --yes --package ~/hotcable/hotcable-0.1.0.tgz hotcable'
const ours = (line: string) => line.replace(PACKAGE, `${process.execPath} ${resolve('cli/main.ts')}`)

/** Writes the files of a section, or only the file `only`, and applies its diffs. */
function follow(app: RailsApp, title: string, only?: string): void {
  const section = SECTIONS.get(title)!
  for (const [, file, content] of section.matchAll(FILE)) if (file === (only ?? file)) app.write(file!, ours(content!))
  for (const edit of editsIn(section)) apply(edit, app.folder)
}

/** Free ports in the place of those in the generated files, where the tests of several users would meet. */
async function movePorts(app: RailsApp) {
  const [rails, cable, rpc] = await freePorts(3)
  for (const file of ['Procfile.dev', 'anycable.toml', 'config/anycable.yml']) {
    const moved = app
      .read(file)
      .replaceAll(/\b(3000|8080|50051)\b/g, port => `${{ 3000: rails, 8080: cable, 50051: rpc }[port]}`)
    app.write(file, moved)
  }
  const settings = {
    ANYCABLE_HTTP_BROADCAST_URL: `http://localhost:${cable}/_broadcast`,
    SECRET_KEY_BASE: 'canary rails '.repeat(8),
  }
  return { rails: rails!, cable: cable!, rpc: rpc!, settings }
}

type Ports = Awaited<ReturnType<typeof movePorts>>

/** Starts the lines of Procfile.dev, as `bin/dev` does. */
async function startAll(app: RailsApp, { rails, cable, rpc, settings }: Ports) {
  const lines = new Map(
    [...app.read('Procfile.dev').matchAll(/^(\w+): (.+)$/gm)].map(([, name, line]) => [name!, line!]),
  )
  const ofRpc = { ANYCABLE_RPC_HOST: `127.0.0.1:${rpc}` }
  if (lines.has('anycable')) app.start(lines.get('anycable')!, { ...settings, ...ofRpc })
  const child = app.start(lines.get('ws')!)
  const web = await app.serve(lines.get('web')!, rails, settings)
  await healthy(`http://127.0.0.1:${cable}/health`, child)
  return { web, child, names: [...lines.keys()] }
}

interface Visitor {
  readonly client: Client
  /** The page, as HTML. */
  readonly html: string
  /** The cable that the page names. */
  readonly url: string
}

/** A user with the page open, which subscribes to nothing yet. `more`: headers of a proxy. */
async function visit(t: Scope, port: number, user: string, more: Record<string, string> = {}): Promise<Visitor> {
  const origin = `http://localhost:${port}`
  const login = await fetch(`${origin}/login`, {
    ...{ method: 'POST', redirect: 'manual', headers: more },
    body: new URLSearchParams({ user }),
  })
  assert.equal(login.status, 303)
  const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!
  const html = await (await fetch(origin, { headers: { cookie, ...more } })).text()
  const [, named] = /<meta name="action-cable-url" content="(.+?)"/.exec(html)!
  const url = new URL(named!.replaceAll('&amp;', '&'), origin.replace('http', 'ws')).href
  const scheme = more['x-forwarded-proto'] ?? 'http'
  const client = await connect(t, url, { headers: { cookie, origin: `${scheme}://localhost:${port}` } })
  await client.welcomed()
  return { client, html, url }
}

/** Both users hear what either of them says. */
async function chat(...clients: readonly Client[]): Promise<void> {
  for (const client of clients) assert.equal((await client.subscribe(ROOM)).type, 'confirm_subscription')
  for (const speaker of clients) {
    for (const text of ['one', 'two']) {
      perform(speaker, ROOM, 'speak', { text })
      for (const client of clients) {
        const { message } = await client.next()
        assert.equal((message as { text: string }).text, text)
      }
    }
  }
}

/** Turbo's element on the page hears what a request broadcasts. */
async function turbo({ client, html }: Visitor, port: number, more: Record<string, string> = {}): Promise<void> {
  const [, signed] = /signed-stream-name="(.+?)"/.exec(html)!
  await client.confirmed(turboIdentifier(signed!))
  await say(port, more)
  // (A client of the signed channel gets its message as well.)
  await client.until(({ message }) => /action="update" target="news".*hello/.test(String(message)))
}

const say = async (port: number, headers: Record<string, string> = {}) => {
  const body = new URLSearchParams({ text: 'hello' })
  assert.equal((await fetch(`http://localhost:${port}/news`, { method: 'POST', headers, body })).status, 204)
}

test('an app with Action Cable moves to the cable over HTTP, with both at once on the way', {
  skip: await missing('http'),
}, async t => {
  const app = await makeRailsApp(t, GEM!.trim().split('\n'))
  follow(app, 'The gem, and its generator', 'config/initializers/anycable.rb')

  await t.test('a channel that cannot work says so while Action Cable still serves it', async t => {
    const [port] = await freePorts(1)
    const web = await app.serve(`bin/rails s -p ${port}`, port!)
    const [, cookie] = /^(.+?);/.exec((await login(port!, 'ada')).headers.getSetCookie()[0]!)!
    const client = await connect(t, `ws://localhost:${port}/cable`, {
      headers: { cookie: cookie!, origin: `http://localhost:${port}` },
    })
    await client.welcomed()
    client.command('subscribe', ROOM)
    await until(() => /CompatibilityError.*@spoken/.test(app.read('log/development.log')), web)
    await end(web)
  })

  follow(app, 'The channels')
  follow(app, 'The gem, and its generator', 'bin/anycable-go')
  const written = await app.run(GENERATE!)
  assert.match(written, /AnyCable has been configured/)
  const ports = await movePorts(app)
  const { rails, cable, settings } = ports
  const { web, child, names } = await startAll(app, ports)
  assert.deepEqual(names, ['web', 'ws'])

  await t.test('the app that the generator has set up works', async t => {
    const [ada, bob] = [await visit(t, rails, 'ada'), await visit(t, rails, 'bob')]
    assert.equal(ada.url, `ws://localhost:${cable}/cable`)
    await chat(ada.client, bob.client)
    await turbo(ada, rails)
  })
  await end(web)

  await t.test('clients of Action Cable and of the cable hear each other', async t => {
    follow(app, 'Both at once')
    const web = await app.serve(`bin/rails s -p ${rails}`, rails, settings)
    const [ada, bob] = [await visit(t, rails, 'ada'), await visit(t, rails, 'bob')]
    assert.equal(new URL(ada.url).port, String(cable))
    assert.equal(new URL(bob.url).port, String(rails))
    await chat(ada.client, bob.client)
    await turbo(ada, rails)
    await turbo(bob, rails)
    const [lines] = blocksOf('Both at once', 'ruby')
    app.write('lines.rb', `${lines!}AnyCable.broadcast_adapter.shutdown\n`)
    await app.run('bin/rails runner lines.rb', settings)
    const frames = await ada.client.until(({ type }) => type === 'disconnect')
    assert.deepEqual([frames.at(-1)!.reason, frames.at(-1)!.reconnect], ['remote', true])
    await end(web)
  })
  await end(child)

  await t.test('it works in production, where Rails demands https', async t => {
    app.write('config/cable.yml', app.read('config/cable.yml').replaceAll('async', 'any_cable'))
    rmSync(join(app.folder, 'config/initializers/both_cables.rb'))
    follow(app, 'Production')
    const secret = 'canary of production: 32 bytes and more'
    const proxy = { 'x-forwarded-proto': 'https' }
    const url = `ws://localhost:${cable}/cable`
    const child = app.start(`${ours(PACKAGE)} cable --port=${cable}`, {
      ANYCABLE_SECRET: secret,
      ANYCABLE_RPC_HOST: `http://localhost:${rails}/_anycable`,
      ANYCABLE_ALLOWED_ORIGINS: `localhost:${rails}`,
      ANYCABLE_DEBUG: 'false',
    })
    await healthy(`http://127.0.0.1:${cable}/health`, child)
    const ofRails = { RAILS_ENV: 'production', ANYCABLE_SECRET: secret, ANYCABLE_WEBSOCKET_URL: url }
    const web = await app.serve(`bin/rails s -p ${rails}`, rails, { ...settings, ...ofRails }, proxy)
    const [ada, bob] = [await visit(t, rails, 'ada', proxy), await visit(t, rails, 'bob', proxy)]
    assert.equal(ada.url, url)
    await chat(ada.client, bob.client)
    await turbo(ada, rails, proxy)
    await assert.rejects(connect(t, url, { headers: { origin: 'https://evil.test' } }))
    await end(web)
  })
})

test('the generator sets up an app over gRPC that works', { skip: await missing('grpc') }, async t => {
  const app = await makeRailsApp(t, [...GEM!.trim().split('\n'), 'gem "grpc"'])
  follow(app, 'The gem, and its generator')
  follow(app, 'The channels')
  await app.run(GENERATE!.replace('--rpc=http', '--rpc=grpc'))
  const ports = await movePorts(app)
  const { names } = await startAll(app, ports)

  assert.deepEqual(names, ['web', 'anycable', 'ws'])
  const [ada, bob] = [await visit(t, ports.rails, 'ada'), await visit(t, ports.rails, 'bob')]
  await chat(ada.client, bob.client)
  await turbo(ada, ports.rails)
})

test('the generator sets up an app without RPC that works with tokens and signed names', {
  skip: await missing('http'),
}, async t => {
  const app = await makeRailsApp(t, GEM!.trim().split('\n'))
  follow(app, 'The gem, and its generator')
  const [tokens, names] = blocksOf('Without RPC', 'erb')
  const [command] = /bin\/rails generate anycable:setup --rpc=none/.exec(SECTIONS.get('Without RPC')!)!
  chmodSync(join(app.folder, 'bin/anycable-go'), 0o755)
  await app.run(`${command} --development=bin`)
  const layout = 'app/views/layouts/application.html.erb'
  const before = '    <%= action_cable_with_jwt_meta_tag %>\n'
  assert.ok(app.read(layout).includes(before))
  app.write(layout, app.read(layout).replace(before, tokens! + names!))
  // (AnyCable's server for gRPC has nothing to do.)
  app.write('Procfile.dev', app.read('Procfile.dev').replace(/^anycable: .*\n/m, ''))
  const ports = await movePorts(app)
  await startAll(app, ports)

  const ada = await visit(t, ports.rails, 'ada')
  assert.ok(new URL(ada.url).searchParams.has('jid'))
  const [, signed] = /<meta name="news" content="(.+?)"/.exec(ada.html)!
  const [, channel] = /channel: "(\S+)"/.exec(blocksOf('Without RPC', 'js')[0]!)!
  await ada.client.confirmed(JSON.stringify({ channel, signed_stream_name: signed }))
  await say(ports.rails)
  assert.deepEqual((await ada.client.next()).message, { text: 'hello' })
  await turbo({ ...ada }, ports.rails)
})

const login = (port: number, user: string) =>
  fetch(`http://localhost:${port}/login`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ user }) })
