/**
 * socket.io, as its guide starts it, over WebSocket alone: each client is in one room, and each POST is sent to the room of its
 * path. With `--recovery` it keeps the state of lost connections.
 */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const [folder, port, recovery] = process.argv.slice(2)
const ROOM = 'board'

interface ServerSocket {
  readonly handshake: { readonly query: { readonly room?: string } }
  readonly recovered: boolean
  join: (room: string) => void
}

const { Server } = createRequire(`${folder}/`)('socket.io')

const server = createServer(async (request, response) => {
  io.to(request.url!.slice(1) || ROOM).emit('message', await text(request))
  response.writeHead(201, { 'content-length': 0 }).end()
})
const options = recovery === '--recovery' ? { connectionStateRecovery: {} } : {}
const io = new Server(server, { transports: ['websocket'], ...options })
io.on('connection', (socket: ServerSocket) => {
  if (!socket.recovered) socket.join(socket.handshake.query.room ?? ROOM)
})
server.listen(Number(port), '127.0.0.1', 4096, () => console.log('ready'))
