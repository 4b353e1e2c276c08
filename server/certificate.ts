/** For tests: a certificate for localhost, that openssl makes once. */
import { execFileSync } from 'node:child_process'

let made: { cert: string; key: string } | undefined

/** PEM. */
export function certificate(): { cert: string; key: string } {
  const args = [
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=localhost',
  ]
  const both = ['req', ...args, '-keyout', '-', '-out', '-']
  if (made === undefined) {
    const pem = execFileSync('openssl', both, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' })
    const at = pem.indexOf('-----BEGIN CERTIFICATE')
    made = { key: pem.slice(0, at), cert: pem.slice(at) }
  }
  return made
}
