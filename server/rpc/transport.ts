/** The transport that --rpc_host names. Each is loaded only if it is used. */
import type { Controller } from './controller.ts'

export interface TransportSettings {
  /** As in --rpc_host. */
  readonly host: string
  readonly kind: 'http' | 'grpc'
  /** Bearer key over HTTP; empty: none. */
  readonly key: string
  /** Of gRPC. */
  readonly tls: { readonly rootCa: string; readonly verify: boolean } | undefined
  /** Bytes of one answer, and of one request. */
  readonly maxReceiveSize: number
  readonly maxSendSize: number
}

export async function loadTransport(settings: TransportSettings): Promise<Controller> {
  const { host, kind, key, tls, maxReceiveSize, maxSendSize } = settings
  if (kind === 'http') {
    const { createHttpController } = await import('./http.ts')
    return createHttpController({ url: host, key, maxReceiveSize })
  }
  const { createGrpcController } = await import('./grpc.ts')
  const rootCa = tls?.rootCa ? { rootCa: tls.rootCa } : {}
  return createGrpcController({
    ...{ host, maxReceiveSize, maxSendSize },
    ...(tls === undefined ? {} : { tls: { verify: tls.verify, ...rootCa } }),
  })
}
