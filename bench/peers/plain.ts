/**
 * Servers that get the finished message: the limit in C, nginx with nchan, socket.io, and two bare ones in Node.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { freePorts } from '../../start/network.ts'
import { type MeasuredProgram, type MeasuredProgramOptions, startProgram } from '../process.ts'
import { clientFrame, filler, postRequest, upgradeRequest } from '../wire.ts'
import type { Peer, Target } from './peer.ts'

const SCRATCH = 'tmp/bench'
const HERE = import.meta.dirname

interface Plain {
  connect: string
  post: string
  /** The bytes of a frame besides the message. */
  around?: number
  words?: string
  confirmation?: string
}

/** One send() per socket and message, in C. `binary` was built from native/limit.c. */
export const limit = (binary: string | undefined): Peer => ({
  name: 'C limit',
  absent: binary === undefined ? 'a C compiler' : undefined,
  start: () => startPlain(port => [binary!, [String(port)]], { ready: /ready/ }, { connect: '/', post: '/' }),
})

const NCHAN = '/usr/lib/nginx/modules/ngx_nchan_module.so'

export const nchan = (): Peer => ({
  name: 'nchan',
  absent: existsSync(NCHAN) ? undefined : 'apt-get install nginx libnginx-mod-nchan',
  async start() {
    const folder = resolve(SCRATCH, 'nginx')
    mkdirSync(folder, { recursive: true })
    const command = (port: number): [string, string[]] => {
      writeFileSync(`${folder}/nginx.conf`, nginxConfig(port, folder))
      return ['/usr/sbin/nginx', ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', 'stderr']]
    }
    return startPlain(
      command,
      { ready: /start worker process \d+/, signal: 'SIGTERM' },
      { connect: '/sub', post: '/pub' },
    )
  },
})

/** `folder` holds its packages; `flags`: `--recovery`. */
export const socketIo = (folder: string | undefined, ...flags: readonly string[]): Peer => ({
  name: 'socket.io',
  absent: folder === undefined ? 'npm install socket.io' : undefined,
  start: () =>
    startPlain(
      port => [process.execPath, [`${HERE}/socket-io.ts`, folder!, String(port), ...flags]],
      { ready: /ready/ },
      {
        connect: '/socket.io/?EIO=4&transport=websocket',
        post: '/',
        around: '42["message",""]'.length,
        words: '40',
        confirmation: '40{"sid"',
      },
    ),
})

/** Only handshakes, with ws. */
export const bareWs = (): Peer => ({
  name: 'bare ws',
  start: () =>
    startPlain(
      port => [process.execPath, [`${HERE}/bare-ws.ts`, String(port)]],
      { ready: /ready/ },
      { connect: '/', post: '/' },
    ),
})

/** The least that a broadcast costs in Node: node:http, JSON.parse, one write for each client. */
export const rawHttp = (): Peer => ({
  name: 'raw node:http',
  async start() {
    const target = await startPlain(
      port => [process.execPath, [`${HERE}/raw-http.ts`, String(port)]],
      { ready: /ready/ },
      { connect: '/', post: '/' },
    )
    return {
      ...target,
      post: (stream, { bytes }) =>
        postRequest('/', JSON.stringify({ stream, data: JSON.stringify(filler(bytes - 2)) })),
    }
  },
})

async function startPlain(
  command: (port: number) => [string, string[]],
  options: MeasuredProgramOptions,
  { connect, post, around = 0, words = '', confirmation = '' }: Plain,
): Promise<Target> {
  const [port] = (await freePorts(1)) as [number]
  const program: MeasuredProgram = await startProgram(...command(port), options)
  return {
    program,
    port,
    postPort: port,
    confirmation,
    async clients(count, { group = () => 0 } = {}) {
      return Array.from({ length: count }, (_, n) => ({
        group: group(n),
        hello: upgradeRequest(connect),
        words: words === '' ? Buffer.alloc(0) : clientFrame(words),
      }))
    },
    post: (_, { bytes }) => postRequest(post, filler(bytes - around)),
  }
}

/** One process, which keeps as many messages as the cables. */
const nginxConfig = (port: number, folder: string) => `
load_module ${NCHAN};
daemon off;
worker_processes 1;
pid ${folder}/pid;
worker_rlimit_nofile 20000;
error_log stderr notice;
events { worker_connections 15000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_body_buffer_size 64k;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 256m;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /sub { nchan_subscriber websocket; nchan_channel_id board; nchan_subscriber_first_message newest; }
    location = /pub { nchan_publisher http; nchan_channel_id board; nchan_message_buffer_length 100; nchan_message_timeout 300s; }
    location ~ ^/events/(.+)$ { nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; }
    location ~ ^/pub/(.+)$ { nchan_publisher http; nchan_channel_id $1; nchan_message_buffer_length 100; nchan_message_timeout 300s; }
  }
}
`
