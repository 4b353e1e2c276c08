/** For tests: the HTTP side of rpc-app.ts. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Fault, filledIn, type Listen, type Method } from './rpc-script.ts'

const STATUSES: Partial<Record<Fault, number>> = {
  unavailable: 503,
  exhausted: 429,
  unauthorized: 401,
  refused: 422,
  crash: 500,
}

export const listenHttp: Listen = async (handle, { host, port, secret }) => {
  const server = createServer(async (request, response) => {
    const path = /^\/_anycable\/(connect|command|disconnect)$/.exec(request.url ?? '')
    if (request.method !== 'POST' || !path) return void response.writeHead(404).end()
    if (secret !== undefined && request.headers.authorization !== `Bearer ${secret}`)
      return void response.writeHead(401).end()
    const canceled = new Promise<void>(resolve =>
      response.once('close', () => {
        if (!response.writableFinished) resolve()
      }),
    )
    const { 'x-anycable-meta-sid': sid, 'x-anycable-meta-protov': protov } = request.headers as Record<string, string>
    const sent = filledIn(JSON.parse(await text(request)))
    const answer = await handle({ method: path[1] as Method, request: sent, sid, protov, canceled })
    if (answer === 'hang') return
    if (answer === 'drop') return void request.socket.destroy()
    if (answer === 'garbage') return void response.end('{"status":')
    if (typeof answer === 'string') return void response.writeHead(STATUSES[answer]!).end()
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
