/**
 * A WebSocket server by ws that does nothing but shake hands; with `talk` it says welcome as well, and answers every
 * message with its confirmation, whatever it says.
 */
import { WebSocketServer } from 'ws'

const [port, talk] = process.argv.slice(2)
const settings = { host: '127.0.0.1', port: Number(port), perMessageDeflate: false, backlog: 4096 }
const server = new WebSocketServer(settings, () => console.log('ready'))
if (talk !== undefined) {
  server.on('connection', ws => {
    ws.on('message', data => {
      const { identifier } = JSON.parse(String(data)) as { identifier: string }
      ws.send(JSON.stringify({ type: 'confirm_subscription', identifier }))
    })
    ws.send('{"type":"welcome"}')
  })
}
