/**
 * Which WebSockets we open: well-formed handshakes from allowed origins, but none while the cable is closed to new clients.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ClosedCode, CUTS, type CutCode, describeCut } from '../errors.ts'
import type { Log } from '../log.ts'
import { originAllowed } from '../protocol/negotiate.ts'
import { createAddressReader } from './client-address.ts'
import { refuseUpgrade } from './listener.ts'
import { handshakeFault, isCurrentVersion, type Upgrade } from './upgrade.ts'

export interface UpgradePolicyParts {
  allowedOrigins: readonly string[]
  /** Of --trusted_proxies. */
  proxies: readonly string[]
  whyClosed: () => ClosedCode | undefined
  refused: (code: CutCode) => void
  log: Log
  open: Upgrade['take']
}

export interface UpgradePolicy {
  /** Opens a WebSocket, or answers with the reason why not. */
  take: Upgrade['take']
  /** Answers a malformed handshake. */
  refuse: (request: IncomingMessage, socket: Duplex) => void
}

export function createUpgradePolicy(parts: UpgradePolicyParts): UpgradePolicy {
  const { allowedOrigins, proxies, whyClosed, refused, log, open } = parts
  const addressOf = createAddressReader(proxies)
  const refuse = (code: ClosedCode | ReturnType<typeof handshakeFault>, socket: Duplex, reason?: string) => {
    refused(code)
    log.debug({ code }, describeCut(code))
    refuseUpgrade(socket, CUTS[code].status, reason)
  }
  const refuseMalformed: UpgradePolicy['refuse'] = (request, socket) => {
    const code = handshakeFault(request)
    refuse(code, socket, CUTS[code].fix)
  }
  return {
    refuse: refuseMalformed,
    take(request, socket, head) {
      const closed = whyClosed()
      if (closed !== undefined) return refuse(closed, socket)
      const { origin } = request.headers
      if (!originAllowed(origin, allowedOrigins)) {
        const code = 'origin_not_allowed'
        refused(code)
        log.warn({ code, origin, address: addressOf(request) }, describeCut(code))
        return refuseUpgrade(socket, CUTS[code].status)
      }
      if (!isCurrentVersion(request)) return refuseMalformed(request, socket)
      open(request, socket, head)
    },
  }
}
