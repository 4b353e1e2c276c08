/** Common configurations of these proxies, as short as possible. nginx has the lines of backends/README.md. */
import { readFileSync } from 'node:fs'
import { PROXIES } from '../../backends/harness/toolchain.ts'

/** Forwards from a port of this machine to another one. */
export interface ProxiedPort {
  readonly port: number
  readonly to: number
}

type Sites = Readonly<Record<string, ProxiedPort>>

interface Proxy {
  readonly tool: (typeof PROXIES)[keyof typeof PROXIES]
  readonly args: readonly string[]
  /** The name of its file, in the folder of the proxy. */
  readonly file: string
  readonly config: (sites: Sites) => string
  /** Lines of its log that do not matter. */
  readonly chatter?: RegExp
}

const [MAP, SERVER] = readFileSync(new URL('../../backends/README.md', import.meta.url), 'utf8')
  .split('```nginx\n')[1]!
  .split('```')[0]!
  .split(/(?=^server)/m) as [string, string]

const each = (sites: Sites, text: (name: string, site: ProxiedPort) => string): string =>
  Object.entries(sites)
    .map(([name, site]) => text(name, site))
    .join('')

const nginx = (host: string): Proxy => ({
  tool: PROXIES.nginx,
  args: ['-p', '.', '-e', 'stderr', '-c', 'nginx.conf'],
  file: 'nginx.conf',
  // One process: when we are root, the user of a worker may not enter our folder.
  config: sites => `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events {}
http {
  access_log off;
  gzip on;
  client_max_body_size 8m;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ${MAP}
  ${each(sites, (name, { port, to }) => {
    const server = SERVER.replace('8443 ssl', `127.0.0.1:${port}`)
      .replace('127.0.0.1:3000', name)
      .replace('proxy_set_header Host $http_host;', host)
    return `upstream ${name} { server 127.0.0.1:${to}; keepalive 16; }\n${server}`
  })}
}
`,
})

export const CONFIGS: Readonly<Record<string, Proxy>> = {
  nginx: nginx('proxy_set_header Host $http_host;'),
  'nginx that drops the port of Host': nginx(
    'proxy_set_header Host $host; proxy_set_header X-Forwarded-Port $server_port;',
  ),
  HAProxy: {
    tool: PROXIES.haproxy,
    args: ['-f', 'haproxy.cfg'],
    file: 'haproxy.cfg',
    config: sites => `
defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
  timeout tunnel 1h
  option forwardfor
  compression algo gzip
  compression type text/html text/event-stream
  option httpchk GET /health
  stats uri /haproxy
${each(
  sites,
  (name, { port, to }) => `
listen ${name}
  bind 127.0.0.1:${port}
  server ${name} 127.0.0.1:${to} check inter 1s pool-purge-delay 60s
`,
)}
`,
  },
  Caddy: {
    tool: PROXIES.caddy,
    args: ['run', '--config', 'Caddyfile', '--adapter', 'caddyfile'],
    file: 'Caddyfile',
    config: sites => `
{
  admin off
  auto_https off
}
${each(
  sites,
  (_, { port, to }) => `
http://:${port} {
  bind 127.0.0.1
  @pages not path /events
  encode @pages gzip
  reverse_proxy 127.0.0.1:${to}
}
`,
)}
`,
    // It logs an error when a client leaves an endless answer.
    chatter: /"level":"(info|warn)"|"error":"context canceled"/,
  },
}
