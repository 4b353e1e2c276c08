/**
 * A WebSocket server by ws that does nothing but shake hands.
 */
import { WebSocketServer } from 'ws'

new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false, backlog: 4096 }, () =>
  console.log('ready'),
)
