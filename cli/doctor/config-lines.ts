/** Lines for the configuration of proxies, by what they mend. A test reads those for nginx back. */

export const UPGRADE = [
  'nginx, in the location of the cable:',
  '  proxy_http_version 1.1;',
  '  proxy_set_header Upgrade $http_upgrade;',
  '  proxy_set_header Connection "upgrade";',
  'Caddy: reverse_proxy passes WebSockets on, unless a header_up line removes Upgrade or Connection',
]

export const ROUTE = [
  'nginx:',
  '  location /cable { proxy_pass http://127.0.0.1:8080; }',
  'Caddy, before the route of the app:',
  '  reverse_proxy /cable* 127.0.0.1:8080',
]

export const PROTOCOL_HEADER = [
  'let the proxy pass Sec-WebSocket-Protocol on, in both directions. nginx does, unless you remove:',
  '  proxy_set_header Sec-WebSocket-Protocol "";',
  '  proxy_hide_header Sec-WebSocket-Protocol;',
]

export const IDLE = [
  'let the proxy wait longer than the time between two pings (3 s by default: --ping_interval), better an hour',
  'nginx, in the location of the cable:',
  '  proxy_read_timeout 1h;',
  'Caddy: remove stream_timeout from reverse_proxy; HAProxy: timeout tunnel 1h',
]

export const BUFFERING = [
  'let no proxy hold back events',
  'nginx, in the location of /events (and no proxy_ignore_headers X-Accel-Buffering):',
  '  proxy_buffering off;',
  '  gzip off;',
  'Caddy, in reverse_proxy:',
  '  flush_interval -1',
]
