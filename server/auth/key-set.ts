/**
 * The public keys that an identity provider publishes at a URL, kept and renewed.
 *
 *   first token, unknown key ─▶ ask the URL, and wait for its answer      at most every 30 s
 *   keys older than 10 min   ─▶ ask the URL, and use the known keys meanwhile
 *
 * Any client may send a token with an unknown key, so such tokens share one request, and the next may follow after 30 s. While
 * the URL does not answer, or answers without keys, we keep the known keys.
 */
import type { Log } from '../log.ts'

export interface KeySetParts<Keys> {
  /** Reads the JSON value of an answer. Throws if it holds no keys. */
  parse: (json: unknown) => Keys
  monotonic: () => number
  log: Pick<Log, 'info' | 'warn'>
}

export class KeySet<Keys> {
  readonly #url: string
  readonly #parts: KeySetParts<Keys>
  #keys: Keys | undefined
  /** Times of the clock `monotonic`. */
  #loadedAt = 0
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined

  constructor(url: string, parts: KeySetParts<Keys>) {
    this.#url = url
    this.#parts = parts
  }

  /** `undefined`: the URL has not yet answered with keys. */
  async known(): Promise<Keys | undefined> {
    if (this.#keys === undefined) await this.#ask(RETRY_MS)
    else if (this.#parts.monotonic() - this.#loadedAt >= STALE_MS) void this.#ask(UNKNOWN_KEY_MS)
    return this.#keys
  }

  /** The keys after an unknown one. `undefined`: the URL did not answer, or was asked less than 30 s ago. */
  async renewed(known: Keys): Promise<Keys | undefined> {
    if (this.#keys === known) await this.#ask(UNKNOWN_KEY_MS)
    return this.#keys === known ? undefined : this.#keys
  }

  /** Waits for the request under way, or makes one unless the last began less than `gapMs` ago. Never rejects. */
  async #ask(gapMs: number): Promise<void> {
    const { monotonic } = this.#parts
    if (this.#asking === undefined && monotonic() - this.#askedAt < gapMs) return
    this.#asking ??= this.#load().finally(() => {
      this.#asking = undefined
    })
    await this.#asking
  }

  async #load(): Promise<void> {
    const { parse, monotonic, log } = this.#parts
    this.#askedAt = monotonic()
    try {
      this.#keys = parse(await readJson(this.#url))
      this.#loadedAt = monotonic()
      log.info('the keys of --jwks_url are loaded')
    } catch (error) {
      const known = this.#keys === undefined ? 'so no token can be verified' : 'so the cable keeps the keys that it has'
      log.warn({ code: 'token_keys_unavailable', reason: reasonOf(error) }, `--jwks_url does not work, ${known}`)
    }
  }
}

const STALE_MS = 10 * 60_000
const UNKNOWN_KEY_MS = 30_000
/** As long as we have no keys, no client can connect. */
const RETRY_MS = 1_000
/** Less than an admission waits, so that the client gets the right reason. */
const ANSWER_MS = 4_000
/** A set of keys has a few KiB. */
const MAX_BYTES = 256 << 10

/** A redirect is refused: only the operator says which host may make tokens. */
async function readJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(ANSWER_MS)
  const answer = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } })
  if (answer.status !== 200) {
    await answer.body?.cancel()
    throw new Error(`the answer has status ${answer.status}`)
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    // (Leaving the loop cancels the body.)
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'))
}

/** A message of fetch says little; its cause has the code. A message of JSON.parse repeats the answer. */
function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException }
  if (name === 'SyntaxError') return 'the answer is not JSON'
  if (name === 'TimeoutError') return `no answer within ${ANSWER_MS / 1000} s`
  return cause?.code ?? message
}
