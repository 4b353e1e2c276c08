/**
 * For tests: the gRPC side of rpc-app.ts. It is plain HTTP/2, so that a test can break any byte; it shares no code with the cable,
 * except for the text of rpc.proto.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import protobuf from 'protobufjs'
import { type Answer, type Fault, filledIn, type Handle, type Listen, type Method } from './rpc-script.ts'

const PROTO = resolve(import.meta.dirname, '../server/rpc/rpc.proto')

const STATUSES: Partial<Record<Fault, number>> = {
  unavailable: 14,
  exhausted: 8,
  unauthorized: 16,
  refused: 3,
  crash: 2,
}

const { root } = protobuf.parse(readFileSync(PROTO, 'utf8'), { keepCase: true })
const MESSAGES = {
  Connect: { requestType: root.lookupType('ConnectionRequest'), responseType: root.lookupType('ConnectionResponse') },
  Command: { requestType: root.lookupType('CommandMessage'), responseType: root.lookupType('CommandResponse') },
  Disconnect: {
    requestType: root.lookupType('DisconnectRequest'),
    responseType: root.lookupType('DisconnectResponse'),
  },
}

export const listenGrpc: Listen = async (handle, { host, port, tls }) => {
  const sessions = new Set<ServerHttp2Session>()
  const server = tls ? createSecureServer(tls) : createServer()
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    void answerStream(stream, headers, handle)
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      if (!server.listening) return
      server.close()
      for (const session of sessions) session.destroy()
      await once(server, 'close')
    },
  }
}

async function answerStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, handle: Handle): Promise<void> {
  const name = /^\/anycable\.RPC\/(Connect|Command|Disconnect)$/.exec(headers[':path'] ?? '')?.[1]
  if (name === undefined) return finish(stream, 12)
  const { requestType, responseType } = MESSAGES[name as keyof typeof MESSAGES]
  const { promise: canceled, resolve: cancel } = Promise.withResolvers<void>()
  let isAnswered = false
  stream.once('close', () => {
    if (!isAnswered) cancel()
  })
  const body = await buffer(stream).catch(() => undefined)
  if (body === undefined) return
  const request = filledIn(requestType.toObject(requestType.decode(body.subarray(5))))
  const { sid, protov } = headers as Record<string, string>
  const answer = await handle({ method: name.toLowerCase() as Method, request, sid, protov, canceled })
  if (answer === 'hang') return
  isAnswered = true
  if (answer === 'drop') return void stream.session?.destroy()
  if (answer === 'garbage') return reply(stream, Buffer.from([0x12, 0xff, 0x01, 0x61]))
  if (typeof answer === 'string') return finish(stream, STATUSES[answer]!)
  reply(stream, encoded(responseType, answer))
}

const encoded = (type: protobuf.Type, answer: Answer): Buffer =>
  Buffer.from(type.encode(type.fromObject(answer)).finish())

function reply(stream: ServerHttp2Stream, message: Buffer): void {
  if (stream.destroyed) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  stream.end(Buffer.concat([head, message]))
}

/** Answers without a message. */
function finish(stream: ServerHttp2Stream, status: number): void {
  if (stream.destroyed) return
  const headers = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) }
  stream.respond(headers, { endStream: true })
}
