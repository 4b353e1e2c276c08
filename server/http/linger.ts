/**
 * Answers that we send before we have read the whole request.
 *
 * A client that is still writing does not read. If we closed the connection, it would see a broken pipe instead of our
 * answer, and try again. So we answer at once, and read on for a while before we close.
 */
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

const MAX_BYTES = 16 * 1024 * 1024
const MAX_MS = 2_000

/** A response that ends once we have read the request, or reached a bound above. */
export class LingeringResponse extends ServerResponse {
  #lingers = false

  override end(...rest: unknown[]): this {
    const { req } = this
    if (this.#lingers) return this
    if (req.complete || !hasBody(req)) return super.end(...(rest as []))
    this.#lingers = true
    const done = rest.find(part => typeof part === 'function') as (() => void) | undefined
    const [chunk, encoding] = rest.filter(part => part !== done) as [Buffer | undefined, BufferEncoding | undefined]
    if (chunk) this.write(chunk, encoding ?? 'utf8')
    else this.flushHeaders()
    discard(req, () => {
      super.end(done)
      if (!req.complete) req.socket.destroySoon()
    })
    return this
  }
}

/** Writes `text`, and closes the connection when the client does, or at a bound above. */
export function endWith(socket: Duplex, text: string): void {
  socket.end(text)
  discard(socket, () => socket.destroy())
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

function discard(source: IncomingMessage | Duplex, then: () => void): void {
  let left = MAX_BYTES
  const timer = setTimeout(stop, MAX_MS)
  const count = (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) stop()
  }
  function stop(): void {
    clearTimeout(timer)
    source.off('data', count)
    source.off('end', stop)
    source.off('close', stop)
    then()
  }
  source.removeAllListeners('data')
  source.on('data', count)
  source.on('end', stop)
  source.on('close', stop)
  source.resume()
}
