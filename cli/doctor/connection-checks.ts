/** Checks of the way to the cable: from the name of its host to an open WebSocket. Pure. */
import type { Failure } from './ask.ts'
import { PROTOCOL_HEADER, ROUTE, UPGRADE } from './config-lines.ts'
import type { Seen } from './look.ts'
import { fail, ok, quote, skipped, type Verdict, warn } from './verdict.ts'

export function connect({ cable, socket }: Seen): Verdict {
  if (socket.kind === 'unreachable') return unreachable(cable, socket.failure)
  const { address, tls } = socket.connected
  if (tls === undefined) return ok(`${address}, without TLS`)
  const saw = `${address}, ${tls.version}, certificate valid for ${tls.daysLeft} days`
  return tls.daysLeft < 14 ? warn(saw, 'renew the certificate; does the renewal run?') : ok(saw)
}

function unreachable({ hostname, host, protocol }: URL, { code, message }: Failure): Verdict {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return fail(`no address for ${hostname} (${code})`, `add a DNS record for ${hostname}, or correct the URL`)
    case 'ECONNREFUSED':
      return fail(`nothing listens at ${host}`, 'start the cable, or the proxy in front of it; compare the ports')
    case 'TIMEOUT':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return fail(`${host} does not answer (${code})`, 'does a firewall drop the packets? Compare address and port')
    case 'CERT_HAS_EXPIRED':
      return fail('the certificate has expired', 'renew it; does the renewal run?')
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return fail(`the certificate is not for ${hostname}`, `get one that names ${hostname}`)
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return fail(
        'the server sends its certificate without the intermediate one',
        'nginx, with the whole chain:',
        '  ssl_certificate /etc/letsencrypt/live/<name>/fullchain.pem;',
      )
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return fail(
        `browsers do not trust the certificate (${code})`,
        'get one of a public authority; for your own authority, start the doctor with NODE_EXTRA_CA_CERTS=<its file>',
      )
  }
  const isTls = protocol === 'wss:'
  if (isTls && /wrong version number|packet length too long|EPROTO/.test(`${code} ${message}`))
    return fail(`${host} does not speak TLS`, 'use ws:// for this port, or let a proxy in front of it speak TLS')
  return fail(
    `no connection: ${code} ${quote(message)}`,
    isTls ? 'does this port speak TLS?' : 'is this port for wss://?',
  )
}

export function upgrade({ cable, socket }: Seen): Verdict {
  if (socket.kind === 'unreachable') return skipped('no connection')
  if (socket.kind === 'silent')
    return fail(
      `connected, but no answer to the upgrade: ${socket.failure.code} ${quote(socket.failure.message)}`,
      cable.protocol === 'ws:'
        ? 'is this port for wss://? Does the proxy reach the cable?'
        : 'does the proxy reach the cable?',
    )
  const { status, headers, body } = socket.answer
  const server = headers.server === undefined ? '' : ` from ${quote(String(headers.server))}`
  if (socket.kind === 'open') {
    if (socket.isAccepted) return ok(`101 Switching Protocols${server}`)
    return fail(`101${server}, but with a wrong Sec-WebSocket-Accept`, 'a cache or proxy answers instead of the cable')
  }
  const saw = `HTTP ${status}${server} instead of 101: ${quote(body)}`
  if (status >= 300 && status < 400) {
    const location = URL.parse(headers.location ?? '', cable.href)
    return fail(
      `HTTP ${status}${server} instead of 101: a redirect to ${quote(location ? location.origin + location.pathname : '')}`,
      'clients do not follow redirects: let pages use the final URL, ANYCABLE_WEBSOCKET_URL',
    )
  }
  if (status === 401 || status === 407)
    return fail(
      saw,
      'a proxy wants a password, which WebSockets of browsers cannot send: exclude this path (nginx: auth_basic off;)',
    )
  if (status === 403) return skipped('the request was refused, see origin')
  if (status === 404 || status === 405)
    return fail(saw, `no WebSocket at ${cable.pathname}: compare --path, and the route of the proxy`, ...ROUTE)
  if (status === 200) return fail(saw, `the app answers at ${cable.pathname}: send this path to the cable`, ...ROUTE)
  if (status === 502 || status === 504)
    return fail(saw, 'the proxy does not reach the cable: does it run, and at that address?')
  if (status === 503) return fail(saw, 'the cable is stopping, or the proxy has no healthy one')
  if (status === 400 || status === 426)
    return fail(saw, 'the Upgrade header did not reach the cable: a proxy dropped it', ...UPGRADE)
  return fail(saw, 'see the log of the cable and of the proxy')
}

export function origin({ options, socket }: Seen): Verdict {
  const sent = options.origin
  if (socket.kind === 'open') return ok(`a page of ${sent} may connect`)
  if (socket.kind !== 'refused' || socket.answer.status !== 403) return skipped('no WebSocket')
  const server = socket.answer.headers.server === undefined ? '' : ` by ${quote(String(socket.answer.headers.server))}`
  return fail(
    `HTTP 403${server}: a page of ${sent} may not connect`,
    `if your page is there, add its host to the settings of the cable: ANYCABLE_ALLOWED_ORIGINS=${new URL(sent).host}`,
    'if it is elsewhere, name it: hotcable doctor --origin=https://app.example.com …',
    'if the log of the cable has no origin_not_allowed, a firewall or proxy refused the request',
  )
}

export function subprotocol({ socket }: Seen): Verdict {
  if (socket.kind !== 'open') return skipped('no WebSocket')
  const { 'sec-websocket-protocol': protocol } = socket.answer.headers
  if (/^actioncable-v1(-ext)?-json$/.test(protocol ?? '')) return ok(protocol!)
  if (protocol !== undefined) return fail(`the server chose ${quote(protocol)}`, 'is that a cable?')
  return fail('the server chose none, so browsers close the connection', ...PROTOCOL_HEADER)
}
