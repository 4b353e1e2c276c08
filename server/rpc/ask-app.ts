/**
 * One question to the app: may this identity listen to this stream?
 *
 *   POST --subscribe_url   Authorization: Bearer <key>   {"identity":"{\"user\":7}","stream":"room/1","headers":{}}
 *   200                    {"allowed":true}   {"allowed":true,"until":1790000000}   {"allowed":false}
 *
 * Any other answer is a failure, not a refusal: both stock clients forget a rejected subscription for good, and an app that
 * restarts answers with 404 or 502 for a moment.
 */

export interface Question {
  /** As the token has it. */
  readonly identity: string
  readonly stream: string
  /** Those of the client's request that --headers names. */
  readonly headers: Readonly<Record<string, string>>
}

/** `until`: Unix time in seconds. Without it the client may listen for as long as its subscription is open. */
export type Answer = { readonly allowed: false } | { readonly allowed: true; readonly until: number | undefined }

/** The app answers, but neither yes nor no. (A proxy in front of an app that is away answers 502, 503 or 504.) */
export class AnswerUseless extends Error {
  override readonly name = 'AnswerUseless'
}

/** Rejects if the app gives no such answer, with a message for the log, or once `signal` is aborted. */
export type AskApp = (question: Question, signal: AbortSignal) => Promise<Answer>

export interface AppSettings {
  readonly url: string
  readonly key: string
}

/** `wall` is Unix time in ms. */
export function createAskApp({ url, key }: AppSettings, wall: () => number): AskApp {
  // Node writes a header as Latin-1, and a key is UTF-8.
  const authorization = Buffer.from(`Bearer ${key}`).toString('latin1')
  return async (question, signal) => {
    const text = await post(url, authorization, JSON.stringify(question), signal)
    return read(text, wall() / 1000)
  }
}

/** An answer has less than a hundred bytes. */
const MAX_BYTES = 16 << 10

/** A redirect is refused: only the operator says which host gets the key. */
async function post(url: string, authorization: string, body: string, signal: AbortSignal): Promise<string> {
  const headers = { authorization, 'content-type': 'application/json', accept: 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' })
  if (answer.status !== 200) {
    await answer.body?.cancel()
    const message = answer.status === 401 ? 'status 401: it does not accept the key' : `status ${answer.status}`
    throw [502, 503, 504].includes(answer.status) ? new Error(message) : new AnswerUseless(message)
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    // (Leaving the loop cancels the body.)
    if (size > MAX_BYTES) throw new AnswerUseless(`an answer of more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function read(text: string, nowSeconds: number): Answer {
  const { allowed, until } = parse(text)
  if (allowed === false) return { allowed }
  if (allowed !== true) throw new AnswerUseless('an answer without "allowed": true or false')
  if (until === undefined || until === null) return { allowed, until: undefined }
  if (typeof until !== 'number') throw new AnswerUseless('an answer with an "until" that is not Unix time in seconds')
  if (until <= nowSeconds) throw new AnswerUseless('an answer with an "until" in the past: compare the clocks')
  return { allowed, until }
}

/** (A message of JSON.parse would repeat the answer in the log.) */
function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch (cause) {
    throw new AnswerUseless('an answer that is not JSON', { cause })
  }
  throw new AnswerUseless('an answer that is not an object')
}

/** A message of fetch says little; its cause has the code. */
export function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException }
  return name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? message)
}
