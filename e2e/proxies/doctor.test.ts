/**
 * `hotcable doctor` behind the real nginx and Caddy: it names each misconfiguration, its lines for nginx mend it, and a good
 * configuration passes.
 */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, PROXIES } from '../../backends/harness/toolchain.ts'
import { freePorts, LOOPBACK } from '../../start/network.ts'
import { type RunningCable, startCable, withoutSettings } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'
import { findAnycable, startAnycable } from '../conformance/servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SECRET = 'canary of the doctor'
/** Pings come every 2 s. */
const LONGER_THAN_A_PING = '--wait=5'

interface Row {
  check: string
  result: 'ok' | 'warn' | 'FAIL' | 'skipped'
  saw: string
  fix: string[]
}
interface Report {
  code: number
  ok: boolean
  checks: Row[]
}

let cable: RunningCable
before(async () => {
  cable = await startCable(['--turbo_streams', '--sse', '--ping_interval=2'], { settings: { ANYCABLE_SECRET: SECRET } })
  // The first request builds it, which may take longer than the doctor waits.
  await healthy(`${cable.url.replace('ws', 'http')}/hotcable.js`)
})
after(() => cable?.stop())

const isHere = (tool: (typeof PROXIES)['nginx']) => {
  if (tool.find() !== undefined) return true
  console.error(`\n!!! ${missing(tool)}\n`)
  return false
}
const nginxTest = proxyTest(PROXIES.nginx)
const caddyTest = proxyTest(PROXIES.caddy)

const UPGRADE = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";`

// Most of their time they wait for pings.
describe('hotcable doctor', { concurrency: 4 }, () => {
  nginxTest('the doctor finds nothing wrong behind nginx', async t => {
    const site = await nginx(t, { cable: UPGRADE })

    const report = await doctor(site, LONGER_THAN_A_PING)

    assert.deepEqual(faults(report), [])
    assert.deepEqual([report.code, report.ok], [0, true])
  })

  caddyTest('the doctor finds nothing wrong behind Caddy', async t => {
    const report = await doctor(await caddy(t), LONGER_THAN_A_PING)

    assert.deepEqual(faults(report), [])
    assert.deepEqual([report.code, report.ok], [0, true])
  })

  nginxTest('the doctor names an nginx that does not pass the upgrade on, and its lines mend that', async t => {
    const { check, saw, fix } = await fault(await doctor(await nginx(t, { cable: '' }), '--wait=1'))

    assert.equal(check, 'upgrade')
    assert.match(saw, /^HTTP 400 from "nginx.*" instead of 101: "expected a WebSocket"$/)
    const mended = await doctor(await nginx(t, { cable: nginxLines(fix) }), LONGER_THAN_A_PING)
    assert.deepEqual(faults(mended), [])
  })

  nginxTest('the doctor names an nginx that holds back events, and its lines mend that', async t => {
    const ignoring = 'proxy_ignore_headers X-Accel-Buffering;'
    const { check, saw, fix } = await fault(
      await doctor(await nginx(t, { cable: UPGRADE, events: ignoring }), '--wait=1', '--timeout=1'),
    )

    assert.equal(check, 'sse')
    assert.match(saw, /^(no answer|an answer, but no event) after .* a proxy buffers them$/)
    const site = await nginx(t, { cable: UPGRADE, events: ignoring + nginxLines(fix) })
    assert.deepEqual(faults(await doctor(site, LONGER_THAN_A_PING)), [])
  })

  nginxTest('the doctor names an nginx that compresses events', async t => {
    const compressing = 'gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 1;'
    const report = await doctor(await nginx(t, { cable: UPGRADE, events: compressing }), '--wait=1')

    const { check, saw } = await fault(report)
    assert.equal(check, 'sse')
    assert.match(saw, /^a proxy compresses events \(gzip\)/)
  })

  nginxTest('the doctor names an nginx that cuts idle connections, and its lines mend that', async t => {
    const impatient = 'proxy_read_timeout 1s;'
    const report = await doctor(await nginx(t, { cable: UPGRADE + impatient }), LONGER_THAN_A_PING)

    const { check, saw, fix } = await fault(report)
    assert.equal(check, 'idle')
    assert.match(saw, /^the connection was cut after \d[.\d]* m?s$/)
    const mended = await doctor(await nginx(t, { cable: UPGRADE + nginxLines(fix) }), LONGER_THAN_A_PING)
    assert.deepEqual(faults(mended), [])
  })

  nginxTest('the doctor names an nginx that cuts idle events', async t => {
    const site = await nginx(t, { cable: UPGRADE, events: 'proxy_read_timeout 1s;' })

    const { check, saw } = await fault(await doctor(site, LONGER_THAN_A_PING))

    assert.equal(check, 'sse')
    assert.match(saw, /^the events were cut after \d[.\d]* m?s$/)
  })

  nginxTest('the doctor names an nginx that removes the subprotocol from the answer', async t => {
    const site = await nginx(t, { cable: `${UPGRADE} proxy_hide_header Sec-WebSocket-Protocol;` })

    const { check, saw } = await fault(await doctor(site, '--wait=1'))

    assert.equal(check, 'subprotocol')
    assert.match(saw, /^the server chose none/)
  })

  for (const [about, location, says] of [
    ['sends the path of the cable to the app', 'return 200 "<h1>My app</h1>";', /^HTTP 200 .*"My app"$/],
    ['has no route to the cable', 'return 404;', /^HTTP 404 /],
    ['redirects', 'return 301 https://example.com/cable?jid=canary;', /a redirect to "https:\/\/example\.com\/cable"$/],
    ['wants a password', 'auth_basic "closed"; auth_basic_user_file /dev/null;', /^HTTP 401 /],
    ['does not reach the cable', 'proxy_pass http://127.0.0.1:1;', /^HTTP 502 /],
  ] as const) {
    nginxTest(`the doctor names an nginx that ${about}`, async t => {
      const report = await doctor(await nginx(t, { whole: location }), '--wait=1')

      const { check, saw, fix } = await fault(report)
      assert.equal(check, 'upgrade')
      assert.match(saw, says)
      assert.ok(fix.length > 0)
    })
  }

  test('the doctor finds AnyCable in the place of the cable healthy, and names what it does not have', {
    skip: findAnycable() === undefined && 'the real AnyCable is not here: npm run setup -- --reference',
  }, async t => {
    const flags = ['--turbo_streams', '--broadcast_adapter=http', '--broker=memory', '--norpc']
    const anycable = await startAnycable(findAnycable()!)(flags, { ANYCABLE_SECRET: SECRET })
    t.after(() => anycable.stop())

    const report = await examine(anycable.cable, anycable.broadcast, ['--wait=5'])

    assert.deepEqual(
      faults(report).map(({ check, result }) => [check, result]),
      [
        ['sse', 'warn'],
        ['position', 'warn'],
        ['script', 'warn'],
      ],
    )
    assert.equal(report.code, 0)
    assert.match(report.checks.find(({ check }) => check === 'server')!.saw, /^anycable-go "1\.6\./)
  })

  nginxTest('the doctor names an nginx that refuses the origin of the page', async t => {
    const refusing = `if ($http_origin != "https://app.example.com") { return 403; } ${UPGRADE}`
    const site = await nginx(t, { cable: refusing })

    assert.equal((await fault(await doctor(site, '--wait=1'))).check, 'origin')
    assert.deepEqual(faults(await doctor(site, LONGER_THAN_A_PING, '--origin=https://app.example.com/board')), [])
  })
})

const doctor = (url: string, ...options: string[]): Promise<Report> => examine(url, cable.broadcast, options)

/** Runs the doctor in the environment of an app. */
function examine(url: string, broadcast: string, options: readonly string[]): Promise<Report> {
  const settings = { ANYCABLE_SECRET: SECRET, ANYCABLE_HTTP_BROADCAST_URL: broadcast }
  const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ...settings }
  const argv = ['cli/main.ts', 'doctor', '--json', ...options, url]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, argv, { cwd: ROOT, env }, (error, stdout, stderr) => {
      if (stdout === '') reject(error ?? new Error(stderr))
      else resolve({ ...JSON.parse(stdout), code: Number(error?.code ?? 0) })
      assert.doesNotMatch(stdout + stderr, /canary|eyJ/)
    })
  })
}

const faults = ({ checks }: Report): Row[] => checks.filter(({ result }) => result !== 'ok')

/** The only failed check of a report. */
async function fault({ code, ok, checks }: Report): Promise<Row> {
  const failed = checks.filter(({ result }) => result === 'FAIL')
  assert.equal(failed.length, 1, JSON.stringify(failed, null, 2))
  assert.deepEqual([code, ok], [1, false])
  return failed[0]!
}

/** The lines for nginx in a fix. */
const nginxLines = (fix: readonly string[]): string => fix.filter(line => /^ {2}.*;$/.test(line)).join('\n')

interface Locations {
  /** Lines of the location of the cable. */
  readonly cable?: string
  /** Lines of the location of events. */
  readonly events?: string
  /** Lines of the only location, instead of a way to the cable. */
  readonly whole?: string
}

/** Starts nginx in front of the cable, and returns the URL of the cable behind it. */
function nginx(t: TestContext, { cable: atCable = '', events = '', whole }: Locations): Promise<string> {
  const pass = `proxy_pass http://${new URL(cable.url).host};`
  const locations =
    whole === undefined
      ? `location / { ${pass} ${atCable} } location /events { ${pass} ${events} }`
      : `location /cable { ${whole} } location / { ${pass} }`
  return start(t, PROXIES.nginx, ['-p', '.', '-e', 'stderr', '-c', 'nginx.conf'], port => [
    'nginx.conf',
    `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`).join(' ')}
  server { listen ${LOOPBACK}:${port}; ${locations} location = /health { ${pass} } }
}
`,
  ])
}

function caddy(t: TestContext): Promise<string> {
  const args = ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile']
  return start(t, PROXIES.caddy, args, port => [
    'Caddyfile',
    `
{
  admin off
  auto_https off
  log default {
    level PANIC
  }
}
http://:${port} {
  bind ${LOOPBACK}
  reverse_proxy ${new URL(cable.url).host}
}
`,
  ])
}

async function start(
  t: TestContext,
  tool: (typeof PROXIES)['nginx'],
  args: readonly string[],
  config: (port: number) => readonly [file: string, text: string],
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-doctor-'))
  const [port] = (await freePorts(1)) as [number]
  const [file, text] = config(port)
  writeFileSync(join(folder, file), text)
  // Caddy keeps its data in this folder.
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  const child = endsWithUs(spawn(tool.find()!, args, { cwd: folder, env, stdio: 'ignore' }))
  t.after(async () => {
    await end(child)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  await healthy(`http://${LOOPBACK}:${port}/health`, child)
  return `ws://${LOOPBACK}:${port}/cable`
}

function proxyTest(tool: (typeof PROXIES)['nginx']) {
  const isPresent = isHere(tool)
  return (title: string, body: (t: TestContext) => Promise<void>) =>
    isPresent ? test(title, body) : test(title, { skip: process.env.CI !== 'true' }, () => assert.fail(missing(tool)))
}
