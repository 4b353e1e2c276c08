/**
 * Where Redis is, and the files for its TLS, which we read and check before anything connects.
 */
import { createSecureContext } from 'node:tls'
import type { RedisServer, RedisTls } from '../brokers/redis-client.ts'
import type { Values } from './settings.ts'
import { readPem } from './tls.ts'

const FILES = {
  ca: 'redis_tls_ca_cert_path',
  cert: 'redis_tls_client_cert_path',
  key: 'redis_tls_client_key_path',
} as const

/** Reports a problem in a sentence that names the setting and the reason. */
export function readRedis(values: Values, problem: (sentence: string) => void): RedisServer {
  const { redis_url: url, redis_sentinels } = values
  const read = (what: keyof typeof FILES): string | undefined => {
    const file = values[FILES[what]]
    return file === '' ? undefined : readPem(FILES[what], file, '')
  }
  let tls: RedisTls = { rejectUnauthorized: values.redis_tls_verify }
  try {
    tls = { ...tls, ca: read('ca'), cert: read('cert'), key: read('key') }
    check(tls)
  } catch (error) {
    problem((error as Error).message)
  }
  const scheme = url.slice(0, url.indexOf('://'))
  return { url, sentinels: redis_sentinels.map(each => (each.includes('://') ? each : `${scheme}://${each}`)), tls }
}

function check({ ca, cert, key }: RedisTls): void {
  try {
    createSecureContext({ ca, cert, key })
  } catch (cause) {
    const names = Object.entries({ ca, cert, key }).flatMap(([what, pem]) =>
      pem === undefined ? [] : [`--${FILES[what as keyof typeof FILES]}`],
    )
    throw new Error(`OpenSSL refuses ${names.join(' with ')}: they must be PEM, and fit each other`, { cause })
  }
}
