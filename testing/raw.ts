/** For tests: a TCP or TLS connection on which the test writes every byte. It closes with its test. */
import { connect as connectPlain, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectSecure } from 'node:tls'

export interface Raw {
  readonly socket: Socket
  write: (bytes: string | Buffer) => void
  /** Resolves with whether the bytes could be written. */
  written: (bytes: string | Buffer) => Promise<boolean>
  /** Resolves with all received text once it matches; rejects if the connection closes before. */
  until: (pattern: RegExp) => Promise<string>
  /** Forgets the received text. */
  forget: () => void
  /** Resolves with all received text when the server closes. */
  readonly closed: Promise<string>
}

/** `url` is any URL of the server. With `allowHalfOpen` our end stays open when the server closes its own. */
export function openRaw(t: TestContext, url: string, { allowHalfOpen = false } = {}): Raw {
  const { protocol, hostname, port } = new URL(url)
  const options = { port: Number(port), host: hostname.replace(/^\[|\]$/g, ''), allowHalfOpen }
  const socket = /^(?:https|wss):/.test(protocol)
    ? connectSecure({ ...options, rejectUnauthorized: false })
    : connectPlain(options)
  t.after(() => socket.destroy())
  let heard = ''
  let isClosed = false
  socket.on('data', data => {
    heard += data.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<string>(resolve => {
    for (const end of ['end', 'close'])
      socket.on(end, () => {
        isClosed = true
        resolve(heard)
      })
  })
  return {
    socket,
    closed,
    write: bytes => void socket.write(octets(bytes)),
    written: bytes =>
      new Promise(resolve => {
        if (isClosed) resolve(false)
        else socket.write(octets(bytes), error => resolve(!error))
      }),
    forget() {
      heard = ''
    },
    async until(pattern) {
      while (!pattern.test(heard)) {
        if (isClosed) throw new Error(`closed, after ${JSON.stringify(heard.slice(0, 500))}`)
        await new Promise<void>(resolve => {
          for (const event of ['data', 'end', 'close']) socket.once(event, () => resolve())
        })
      }
      return heard
    },
  }
}

const octets = (bytes: string | Buffer): Buffer => (typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
