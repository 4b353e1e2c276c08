/**
 * A WebSocket server on ws that only completes handshakes. With a secret it does the least that a cable must do: it
 * checks the token, sends a welcome, checks the signed name, and confirms. It keeps nothing.
 */
import { WebSocketServer } from 'ws'
import { tokenVerifier } from '../../server/auth/identity.ts'
import { streamVerifier } from '../../server/auth/streams.ts'
import { readToken } from '../../server/protocol/negotiate.ts'

const [port, secret] = process.argv.slice(2)
const settings = { host: '127.0.0.1', port: Number(port), perMessageDeflate: false, backlog: 4096 }
const server = new WebSocketServer(settings, () => console.log('ready'))
if (secret !== undefined) {
  const [identify, verify] = [tokenVerifier([secret]), streamVerifier({ secrets: [secret], purpose: '' })]
  server.on('connection', (ws, { url = '', headers }) => {
    identify(readToken(url, headers, 'jid'), Date.now() / 1000)
    ws.on('message', data => {
      const { identifier } = JSON.parse(String(data)) as { identifier: string }
      const { signed_stream_name } = JSON.parse(identifier) as { signed_stream_name: string }
      verify(signed_stream_name, Date.now() / 1000)
      ws.send(JSON.stringify({ type: 'confirm_subscription', identifier }))
    })
    ws.send('{"type":"welcome"}')
  })
}
