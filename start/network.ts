/** Ports and addresses of this machine. */
import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'

export const LOOPBACK = '127.0.0.1'

/** Whether `host` means every interface. */
export const isWildcard = (host: string): boolean => host === '::' || host === '0.0.0.0'

/** Whether only this machine reaches `host`. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

/**
 * Returns so many free ports of the loopback interface. They are below the range that systems use for outgoing connections,
 * because an outgoing connection could take a port before its server binds it, or while that server restarts.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(15_000, 32_768)
    try {
      await release(await hold(port, LOOPBACK))
      ports.add(port)
    } catch (error) {
      if (!TAKEN.includes((error as NodeJS.ErrnoException).code)) throw error
    }
  }
  return [...ports]
}

/** Whether `port` is free on `host`; without one, on every interface. */
export async function isFree(port: number, host?: string): Promise<boolean> {
  // One by one: some systems allow a server on one address beside one on all addresses, and send visitors to the former.
  for (const address of host ? [host] : [LOOPBACK, '::', '0.0.0.0']) {
    try {
      await release(await hold(port, address))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (host || TAKEN.includes(code)) return false
    }
  }
  return true
}

/** An address that a phone in the same network reaches; `undefined` when there is no network. */
export const lanAddress = (): string | undefined =>
  Object.values(networkInterfaces())
    .flatMap(addresses => addresses ?? [])
    .find(({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'))?.address

/** The error code if another program has the port, or the system reserves it. */
const TAKEN: (string | undefined)[] = ['EADDRINUSE', 'EACCES']

const hold = (port: number, host: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host, exclusive: true }, () => resolve(server))
  })

const release = (server: Server): Promise<void> => new Promise(resolve => server.close(() => resolve()))
