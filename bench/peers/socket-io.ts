/**
 * socket.io, as its guide starts it, over WebSocket alone: all clients are in one room, and each POST is sent to it.
 */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const [folder, port] = process.argv.slice(2)
const { Server } = createRequire(`${folder}/`)('socket.io')

const server = createServer(async (request, response) => {
  io.to('board').emit('message', await text(request))
  response.writeHead(201, { 'content-length': 0 }).end()
})
const io = new Server(server, { transports: ['websocket'] })
io.on('connection', (socket: { join: (room: string) => void }) => socket.join('board'))
server.listen(Number(port), '127.0.0.1', 4096, () => console.log('ready'))
