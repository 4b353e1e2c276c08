/** Broadcasts over TLS, in every language: they arrive, an error names the reason of a failure, and a handshake is bounded as well. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { describeHelpers, fails, succeeds } from '../../backends/harness/every-helper.ts'
import { openssl } from '../../testing/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'hotcable-tls-'))
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
openssl('req', '-x509', ...kind, ...names, '-keyout', keyFile, '-out', certFile)
// Every language trusts it.
Object.assign(process.env, { SSL_CERT_FILE: certFile, NODE_EXTRA_CA_CERTS: certFile })

const LONG = 'x'.repeat(5_000_000)
let received = 0
const secure = createHttpsServer(
  { cert: readFileSync(certFile), key: readFileSync(keyFile) },
  async (request, response) => {
    if (request.url === '/refuses') {
      response.writeHead(413, { connection: 'close' }).end('{"error":"too_large"}')
      return
    }
    received += (await text(request)).length
    response.writeHead(201).end()
  },
)
const silent = createTcpServer()
const [securePort, silentPort] = [await listen(secure), await listen(silent)]
after(() => {
  for (const server of [secure, silent]) server.close()
  secure.closeAllConnections()
  rmSync(folder, { recursive: true })
})

describeHelpers('a broadcast over TLS', helper => {
  test('arrives whole, however long it is', async () => {
    received = 0
    succeeds(await helper.broadcast({ html: LONG, url: `https://localhost:${securePort}/`, timeout: 60 }))
    assert.ok(received > LONG.length)
  })

  test('is sent once, if the cable refuses it before reading it', async () => {
    const url = `https://localhost:${securePort}/refuses`
    fails(await helper.broadcast({ html: LONG, url, timeout: 60 }), /the cable answered 413: .*too_large/)
  })

  test('names what is wrong with a certificate', async () => {
    fails(
      await helper.broadcast({ url: `https://127.0.0.1:${securePort}/`, timeout: 60 }),
      /answered nothing: .*certificate/i,
    )
  })

  test('fails, and its connection closes, when the handshake has no answer', async () => {
    const connected = once(silent, 'connection')
    fails(await helper.broadcast({ url: `https://127.0.0.1:${silentPort}/`, timeout: 0.3 }), /answered nothing/)
    const [socket] = await connected
    socket.on('error', () => {}).resume()
    if (!socket.destroyed) await once(socket, 'close')
  })
})

async function listen(server: Server): Promise<number> {
  await once(server.listen(0), 'listening')
  return (server.address() as AddressInfo).port
}
