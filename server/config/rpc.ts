/**
 * The RPC server of an application with channels, from its settings.
 */
import { readFileSync } from 'node:fs'
import type { AppSettings } from '../session/app.ts'
import { keyOf, readsPublicTokens } from './config.ts'
import type { Values } from './settings.ts'

const MAX_CALL_SIZE = 16 << 20
const ATTEMPT_MS = 3000

/** `undefined`: the cable calls no RPC server. Reports a file that it cannot read. */
export function readRpc(values: Values, problem: (sentence: string) => void): AppSettings | undefined {
  if (!callsRpc(values)) return undefined
  const { secret, jwt_secret, jwt_param, rpc_tls_root_ca: rootCa } = values
  const readsTokens = jwt_secret !== '' || secret !== '' || readsPublicTokens(values)
  return {
    host: values.rpc_host,
    kind: rpcKind(values),
    key: keyOf(values.http_rpc_secret, secret, 'rpc'),
    tls:
      values.rpc_enable_tls || rootCa !== ''
        ? { rootCa: readRootCa(rootCa, problem), verify: values.rpc_tls_verify }
        : undefined,
    maxReceiveSize: values.rpc_max_call_recv_size || MAX_CALL_SIZE,
    maxSendSize: values.rpc_max_call_send_size || MAX_CALL_SIZE,
    concurrency: values.rpc_concurrency,
    maxWaiting: values.max_rpc_waiting,
    attemptMs: values.rpc_request_timeout || ATTEMPT_MS,
    commandMs: values.rpc_command_timeout,
    headers: [...values.headers, ...(readsTokens ? [`x-${jwt_param.toLowerCase()}`] : [])],
    cookies: values['proxy-cookies'],
    isSecure: values.ssl_cert !== '',
    proxies: values.trusted_proxies,
    mode: values.disconnect_mode,
    rate: values.disconnect_rate,
  }
}

export const callsRpc = ({ rpc_host, rpc_impl, norpc }: Values): boolean =>
  rpc_host !== '' && rpc_impl !== 'none' && !norpc

export const rpcKind = ({ rpc_host, rpc_impl }: Values): 'http' | 'grpc' => {
  if (rpc_impl === 'http' || rpc_impl === 'grpc') return rpc_impl
  return isHttp(rpc_host) ? 'http' : 'grpc'
}

export const isHttp = (host: string): boolean => /^https?:/.test(host)

function readRootCa(given: string, problem: (sentence: string) => void): string {
  if (given === '' || given.includes('-----BEGIN')) return given
  try {
    return readFileSync(given, 'utf8')
  } catch (error) {
    problem(`--rpc_tls_root_ca cannot be read: ${(error as NodeJS.ErrnoException).code}`)
    return ''
  }
}
