/** Asks a cable for its newest position, as a backend does before it renders a page. */
import { type Answer, ask, type Failure } from './ask.ts'

/** `url` is where the backend broadcasts. */
export function askForPosition(url: URL, key: string | undefined, timeoutMs: number): Promise<Answer | Failure> {
  const at = new URL(url)
  at.pathname = `${at.pathname.replace(/\/+$/, '')}/position`
  return ask(at, { headers: keyHeaders(key), timeoutMs })
}

/** The position in the answer; `undefined` if the answer is not about a position. */
export const positionIn = (body: string): string | undefined => /^\{"position":"(.*)"\}$/.exec(body)?.[1]

export const keyHeaders = (key: string | undefined): Record<string, string> => ({
  'content-type': 'application/json',
  // (Node writes a header as Latin-1; keys are UTF-8.)
  ...(key && { authorization: Buffer.from(`Bearer ${key}`).toString('latin1') }),
})
