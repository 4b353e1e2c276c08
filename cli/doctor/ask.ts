/**
 * One HTTP request, on its own connection, that ends within a bound. Not fetch: it follows redirects, may use a proxy of the
 * environment, and hides why a connection failed.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** This machine's clock when the headers arrived, Unix time in ms. */
  readonly arrivedAt: number
}

/** Why there is no answer: the code of Node's error, `TIMEOUT` or `UNKNOWN`, and its message. */
export interface Failure {
  readonly code: string
  readonly message: string
}

export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
}

export const isFailure = (value: object): value is Failure => 'message' in value

/** Reads a URL that a page or an answer names. `undefined`: there is no URL, or a request cannot go to it. */
export function parseUrl(text: string | undefined, base: URL): URL | undefined {
  const url = text === undefined ? null : URL.parse(text, base.href)
  return url !== null && /^(https?|wss?):$/.test(url.protocol) ? url : undefined
}

/** Sends a request, without waiting for anything. `ws:` and `wss:` count as `http:` and `https:`. */
export function request(url: URL, { method = 'GET', headers = {} }: Omit<Question, 'timeoutMs'>) {
  const at = new URL(url)
  at.protocol = /^(https|wss):$/.test(url.protocol) ? 'https:' : 'http:'
  return (at.protocol === 'https:' ? https : http).request(at, { method, headers, agent: false })
}

export function ask(url: URL, question: Question): Promise<Answer | Failure> {
  return new Promise<Answer | Failure>(resolve => {
    const sent = request(url, question)
    const timer = setTimeout(() => {
      resolve({ code: 'TIMEOUT', message: `no answer in ${question.timeoutMs / 1000} s` })
      sent.destroy()
    }, question.timeoutMs)
    const settle = (result: Answer | Failure) => {
      clearTimeout(timer)
      resolve(result)
    }
    sent.on('error', error => settle(failureOf(error)))
    sent.on('response', response => read(response).then(settle, error => settle(failureOf(error))))
    sent.end(question.body)
  }).catch(failureOf)
}

/** Reads a whole answer, or its first part if it is long. */
export async function read(response: IncomingMessage): Promise<Answer> {
  const arrivedAt = Date.now()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > LONGEST) break
  }
  const { statusCode: status = 0, headers } = response
  return { status, headers, body: Buffer.concat(chunks).toString(), arrivedAt }
}

export function failureOf(error: unknown): Failure {
  const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException
  // A host with several addresses: the message of each attempt is in `errors`.
  const attempts = error instanceof AggregateError ? error.errors.map(each => (each as Error).message) : []
  return { code, message: message || attempts.join('; ') || code }
}

/** Bytes: the page's script and most pages are shorter. */
const LONGEST = 2 * 1024 * 1024
