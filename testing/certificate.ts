/** For tests: makes certificates with openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ends } from './ends.ts'

/** Returns the file names of a new certificate for localhost and of its key. */
export function certificate(t: Ends): [cert: string, key: string] {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-tls-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl('req', '-x509', ...kind, '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', cert)
  return [cert, key]
}

export const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
