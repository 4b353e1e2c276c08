/**
 * The address of a client, for the log and for an app: its peer's, or the one that a trusted proxy names.
 *
 *   X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2      from the peer 10.0.0.3, with --trusted_proxies=10.0.0.0/8: 203.0.113.7
 *
 * Each proxy writes its peer at the end, behind whatever its peer sent. So we read from the end, up to the first address that is
 * no trusted proxy's; a client may have invented those before it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** The part of Node's request that we read. */
export interface Asking {
  readonly headers: IncomingHttpHeaders
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined
}

export type AddressOf = (asking: Asking) => string | undefined

/** Addresses that no proxy of the public internet has. */
const PRIVATE = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1', 'fc00::/7', 'fe80::/10']

/** `proxies`: addresses, blocks such as 10.0.0.0/8, or `private`. */
export function createAddressReader(proxies: readonly string[]): AddressOf {
  const trusted = new BlockList()
  for (const block of proxies.flatMap(entry => (entry === 'private' ? PRIVATE : entry))) add(trusted, block)
  const isTrusted = (address: string) => trusted.check(address, familyOf(address))
  return ({ headers, socket }) => {
    let address = socket?.remoteAddress && plain(socket.remoteAddress)
    if (!address || proxies.length === 0) return address || undefined
    const told = `${headers['x-forwarded-for'] ?? ''}`.split(',')
    while (isTrusted(address)) {
      const before = plain(told.pop()?.trim() ?? '')
      if (isIP(before) === 0) break
      address = before
    }
    return address
  }
}

/** Whether this is an address, a block of them, or `private`. */
export function isProxy(entry: string): boolean {
  if (entry === 'private') return true
  const [address, bits, ...more] = entry.split('/') as [string, string?]
  const most = isIPv6(address) ? 128 : 32
  return isIP(address) > 0 && more.length === 0 && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most))
}

function add(list: BlockList, block: string): void {
  const [address, bits] = block.split('/') as [string, string?]
  if (bits === undefined) list.addAddress(address, familyOf(address))
  else list.addSubnet(address, Number(bits), familyOf(address))
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4')

/** Without a port, as some proxies write it, and without the prefix with which a socket of IPv6 writes addresses of IPv4. */
const plain = (address: string): string =>
  address
    .replace(/^\[(.*)\](?::\d+)?$/, '$1')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/, '')
