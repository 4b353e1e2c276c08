/**
 * The files of deploy/ for nginx, HAProxy and Caddy, as they are but for addresses and certificates: an app and cables on one
 * origin, over TLS.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROXIES } from '../../backends/harness/toolchain.ts'
import { freePorts } from '../../start/network.ts'
import { certificate } from '../../testing/certificate.ts'
import { end, endsWithUs } from '../../testing/child.ts'
import type { Ends } from '../../testing/ends.ts'

export type ProxyName = keyof typeof PROXIES
export const PROXY_NAMES = Object.keys(PROXIES) as ProxyName[]

/** The ports that a proxy asks; of the second cable nothing needs to listen. */
interface Behind {
  readonly app: number
  readonly cables: readonly number[]
}

interface Places extends Behind {
  readonly port: number
  readonly redirects: number
  readonly cert: string
  readonly key: string
}

interface DeployedProxy {
  readonly args: readonly string[]
  /** Its files by name, in a folder. */
  readonly files: (places: Places) => Readonly<Record<string, string>>
  readonly env?: (places: Places) => Readonly<Record<string, string>>
}

const file = (name: string) => readFileSync(new URL(`../../deploy/${name}`, import.meta.url), 'utf8')

/** Replaces each, which must be there. */
function placed(given: string, ...pairs: readonly (readonly [from: string, to: string])[]): string {
  return pairs.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), from)
    return text.replaceAll(from, to)
  }, given)
}

const DEPLOYED: Readonly<Record<ProxyName, DeployedProxy>> = {
  nginx: {
    args: ['-p', '.', '-e', 'stderr', '-c', 'nginx.conf'],
    files: ({ port, redirects, app, cables, cert, key }) => ({
      'nginx.conf': `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  gzip on;
  gzip_types *;
  gzip_min_length 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`).join('\n  ')}
  include hotcable.conf;
}
`,
      'hotcable.conf': placed(
        file('nginx.conf'),
        ['listen 80;', `listen 127.0.0.1:${redirects};`],
        ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
        ['# server 127.0.0.1:8081;', 'server 127.0.0.1:8081;'],
        ['127.0.0.1:3000', `127.0.0.1:${app}`],
        ['127.0.0.1:8080', `127.0.0.1:${cables[0]}`],
        ['127.0.0.1:8081', `127.0.0.1:${cables[1]}`],
        ['/etc/letsencrypt/live/example.com/fullchain.pem', cert],
        ['/etc/letsencrypt/live/example.com/privkey.pem', key],
      ),
    }),
  },
  haproxy: {
    args: ['-f', 'haproxy.cfg'],
    files: ({ port, redirects, app, cables, cert, key }) => ({
      'site.pem': readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'),
      'haproxy.cfg': placed(
        file('haproxy.cfg'),
        ['bind :80\n', `bind 127.0.0.1:${redirects}\n`],
        ['bind :443', `bind 127.0.0.1:${port}`],
        ['/etc/haproxy/example.com.pem', 'site.pem'],
        ['# server cable-2', 'server cable-2'],
        ['127.0.0.1:3000', `127.0.0.1:${app}`],
        ['127.0.0.1:8080', `127.0.0.1:${cables[0]}`],
        ['127.0.0.1:8081', `127.0.0.1:${cables[1]}`],
      ),
    }),
  },
  caddy: {
    args: ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
    files: () => ({ Caddyfile: file('Caddyfile') }),
    env: ({ port, redirects, app, cables }) => ({
      SITE: `https://localhost:${port}`,
      HTTP_PORT: String(redirects),
      APP: `127.0.0.1:${app}`,
      CABLES: cables.map(cable => `127.0.0.1:${cable}`).join(' '),
    }),
  },
}

/** The proxy, until the test ends. It may not answer yet. */
export async function startDeployed(
  t: Ends,
  name: ProxyName,
  behind: Behind,
): Promise<{ readonly port: number; readonly redirects: number; readonly child: ChildProcess }> {
  const { args, files, env } = DEPLOYED[name]
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-deployed-'))
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const [port, redirects] = (await freePorts(2)) as [number, number]
  const [cert, key] = certificate(t)
  const places: Places = { ...behind, port, redirects, cert, key }
  for (const [file, content] of Object.entries(files(places))) writeFileSync(join(folder, file), content)
  const own = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, ...env?.(places) }
  const tool = PROXIES[name].find()!
  const child = endsWithUs(spawn(tool, args, { cwd: folder, stdio: 'ignore', env: { ...process.env, ...own } }))
  t.after(() => end(child))
  return { port, redirects, child }
}
