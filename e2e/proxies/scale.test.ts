/** Two cables, Redis and the real Caddy, with the flags and the Caddyfile of `docker compose --profile scale up`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { missing, PROXIES } from '../../backends/harness/toolchain.ts'
import { broadcast, broadcastKey } from '../../backends/typescript/hotcable.ts'
import { freePorts } from '../../start/network.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'
import { type Client, connect, EXTENDED } from '../../testing/client.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'

const SECRET = 'canary of the two cables'
const IDENTIFIER = JSON.stringify({ channel: '$pubsub', stream_name: 'a' })
const CLIENTS = 6

const caddy = PROXIES.caddy.find()
if (caddy === undefined) console.error(`\n!!! ${missing(PROXIES.caddy)}\n`)
const skip = NO_REDIS || (caddy === undefined && process.env.CI !== 'true' && 'Caddy is not here')

/** One address for each host of the file: then all may have the same two ports, as in containers. */
const HOSTS = { 'cable-1': '127.0.0.1', 'cable-2': '127.0.0.2', caddy: '127.0.0.3' }

async function startCaddy(t: TestContext, [clients, backends]: readonly [number, number]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-caddy-'))
  const text = readFileSync('start/scale.Caddyfile', 'utf8')
    .replaceAll('8080', `${clients}`)
    .replaceAll('8090', `${backends}`)
    .replaceAll(/cable-\d/g, name => HOSTS[name as keyof typeof HOSTS])
    .replaceAll(/^:\d+ \{$/gm, `$&\n\tbind ${HOSTS.caddy}`)
  writeFileSync(join(folder, 'Caddyfile'), text)
  const child = endsWithUs(
    spawn(caddy!, ['run', '--adapter', 'caddyfile', '--config', 'Caddyfile'], {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    }),
  )
  t.after(async () => {
    await end(child)
    rmSync(folder, { recursive: true })
  })
  await healthy(`http://${HOSTS.caddy}:${clients}/ready`, child)
}

/** The flags that the file gives each cable, for this machine. */
function flagsOf(redis: string, [clients, backends]: readonly [number, number], host: string): string[] {
  const [, service] = /^ {2}cable-1:.*\n([\s\S]*?)^ {2}\w/m.exec(readFileSync('docker-compose.yml', 'utf8'))!
  const flags = service!.match(/(?<=^ {6}- )--.*$/gm)!.filter(flag => !/^--(dev|heal_check)/.test(flag))
  assert.ok(flags.includes('--broker=redis'))
  return [
    ...flags.map(flag => flag.replace('redis://redis:6379', redis).replace('8090', `${backends}`)),
    ...[`--host=${host}`, `--port=${clients}`, '--public_streams', '--noauth', '--heal_delay=0'],
  ]
}

test('pages of a cable that is killed go on with the other one, and broadcasts come through meanwhile', {
  skip,
}, async t => {
  const ports = (await freePorts(2)) as [number, number]
  const redis = await startRedis(t)
  const outbox = mkdtempSync(join(tmpdir(), 'hotcable-outbox-'))
  t.after(() => rmSync(outbox, { recursive: true }))
  const start = async (host: string): Promise<RunningCable> => {
    const settings = { ANYCABLE_SECRET: SECRET, HOTCABLE_OUTBOX: `sqlite:${outbox}/none.sqlite` }
    const cable = await startCable(flagsOf(redis.url, ports, host), { settings })
    t.after(() => cable.stop('SIGKILL'))
    return cable
  }
  const first = await start(HOSTS['cable-1'])
  await start(HOSTS['cable-2'])
  await startCaddy(t, ports)
  const url = `ws://${HOSTS.caddy}:${ports[0]}/cable`
  const post = (data: string) =>
    broadcast('a', data, {
      url: `http://${HOSTS.caddy}:${ports[1]}/_broadcast`,
      key: broadcastKey({ secret: SECRET }),
      retries: 3,
    })
  const clients: Client[] = []
  const lost: Client[] = []
  for (let n = 0; n < CLIENTS; n++) {
    const client = await connect(t, url, { protocols: EXTENDED })
    void client.closed.then(() => lost.push(client))
    await client.welcomed()
    await client.confirmed(IDENTIFIER)
    clients.push(client)
  }
  await post('one')
  for (const client of clients) assert.equal((await client.next()).message, 'one')

  await first.stop('SIGKILL')
  // (Caddy answers 502 for a request on a connection that just ended. The helper tries again, with the same id.)
  await post('two')
  while (lost.length < CLIENTS / 2) await pause(10)
  for (const client of clients.filter(each => !lost.includes(each))) assert.equal((await client.next()).message, 'two')
  for (const { sid } of lost) {
    const client = await connect(t, url, { protocols: EXTENDED, query: `?sid=${sid}` })
    const { restored, restored_ids } = await client.welcomed()
    assert.equal(restored, true)
    // As clients do: the cable may not have stored a subscription of the last 50 ms.
    if (!restored_ids?.includes(IDENTIFIER)) await client.confirmed(IDENTIFIER)
    client.command('history', IDENTIFIER, { history: { since: 1 } })
    const frames = await client.history()
    assert.deepEqual(
      frames.flatMap(({ message }) => (message === undefined ? [] : [message])),
      ['one', 'two'],
    )
  }
})
