/** Reads the body of a request, up to a size, and decodes it. */
import type { IncomingMessage } from 'node:http'
import { RequestRefused } from '../errors.ts'

/**
 * `maxSize` is in bytes. Rejects with {@link RequestRefused} `too_large` as soon as a body exceeds it, and leaves the
 * rest of the body to {@link LingeringResponse}. Never settles if the client leaves.
 */
export function readBody(request: IncomingMessage, maxSize: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = () => reject(new RequestRefused('too_large'))
    if (Number(request.headers['content-length']) > maxSize) return tooLarge()
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxSize) tooLarge()
      else chunks.push(chunk)
    })
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
  })
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** Returns a body's text. Throws {@link RequestRefused} if it is not UTF-8. */
export function decodeBody(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw new RequestRefused('publication_malformed', 'the body is not UTF-8', { cause })
  }
}
