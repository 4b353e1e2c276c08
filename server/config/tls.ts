/**
 * The certificate and the private key of --ssl_cert and --ssl_key, read and checked before anything listens.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Tls } from '../http/listener.ts'

/** Returns `undefined` without both files, or after it reported a problem in a sentence that names setting, file and reason. */
export function readTls(
  { ssl_cert, ssl_key }: { ssl_cert: string; ssl_key: string },
  problem: (sentence: string) => void,
): Tls | undefined {
  if (ssl_cert === '' || ssl_key === '') return undefined
  try {
    const tls = { cert: readPem('ssl_cert', ssl_cert), key: readPem('ssl_key', ssl_key) }
    const certificate = attempt(
      () => new X509Certificate(tls.cert),
      `--ssl_cert ${ssl_cert} does not begin with a certificate (PEM)`,
    )
    const key = attempt(
      () => createPrivateKey(tls.key),
      `--ssl_key ${ssl_key} is not a private key (PEM) without a passphrase`,
    )
    if (!certificate.checkPrivateKey(key))
      throw new Error(`--ssl_key ${ssl_key} is not the key of --ssl_cert ${ssl_cert}`)
    // OpenSSL also refuses a broken chain, and a key that is too short by today's rules.
    attempt(() => createSecureContext(tls), `--ssl_cert ${ssl_cert} and its key are refused by OpenSSL`)
    return tls
  } catch (error) {
    problem((error as Error).message)
    return undefined
  }
}

/** Throws a sentence. `named`: how it names the file. */
export function readPem(name: string, file: string, named = ` ${file}`): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    throw new Error(`--${name}${named} cannot be read: ${REASONS[code] ?? code}`, { cause })
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'the file does not exist',
  ENOTDIR: 'the file does not exist',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a folder',
}

function attempt<T>(read: () => T, message: string): T {
  try {
    return read()
  } catch (cause) {
    throw new Error(message, { cause })
  }
}
