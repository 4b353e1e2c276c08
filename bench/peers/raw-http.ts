/**
 * The least that a broadcast costs in Node: parse the body of a POST, frame its data once, write the frame to every socket.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'

const clients: Socket[] = []
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    const bytes = frame(JSON.parse(String(Buffer.concat(chunks))).data)
    for (const client of clients) client.write(bytes)
    response.writeHead(201, { 'content-length': 0 }).end()
  })
})
server.on('upgrade', (request, socket: Socket) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accepted = createHash('sha1').update(key).digest('base64')
  socket.setNoDelay(true)
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accepted}\r\n\r\n`,
  )
  socket.on('error', () => {})
  clients.push(socket)
})
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 }, () => console.log('ready'))

function frame(text: string): Buffer {
  const size = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(4 + size)
  bytes[0] = 0x81
  bytes[1] = 126
  bytes.writeUInt16BE(size, 2)
  bytes.write(text, 4)
  return bytes
}
