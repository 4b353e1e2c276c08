/** Signs on demand, for e2e/languages.test.ts: a JSON line with a question in, a JSON line with the result out. */
import { issueToken, signStream, streamFrom, turboStream } from './hotcable.ts'

// biome-ignore lint/suspicious/noExplicitAny: a question is whatever the test asks.
const ANSWERS: Record<string, (ask: any) => string> = {
  sign_stream: ({ stream, secret }) => signStream(stream, { secret }),
  issue_token: ({ identity, secret, ttl }) => issueToken(identity, { secret, ttl }),
  stream_from: ({ stream, position, secret }) => streamFrom(stream, position, { secret }),
  turbo_stream: ({ action, target, html, attributes }) => turboStream(action, target, html, attributes),
}

function answer(line: string): object {
  try {
    const ask = JSON.parse(line)
    return { result: ANSWERS[ask.do]!(ask) }
  } catch (error) {
    return { error: String(error) }
  }
}

// Not node:readline, which ends a line at U+2028 as well: JSON may hold one.
let rest = ''
for await (const chunk of process.stdin.setEncoding('utf8')) {
  const lines = `${rest}${chunk}`.split('\n')
  rest = lines.pop()!
  for (const line of lines) console.log(JSON.stringify(answer(line)))
}
