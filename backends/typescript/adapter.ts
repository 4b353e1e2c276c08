/** Answers questions about hotcable.ts, a JSON line each: npm run check:backend -- node backends/typescript/adapter.ts */
import * as hotcable from './hotcable.ts'

const { issueToken, signStream, streamFrom, scriptTag, sourceTag, turboStream } = hotcable

// biome-ignore lint/suspicious/noExplicitAny: the shape depends on the question.
const ANSWERS: Record<string, (ask: any) => string | Promise<unknown>> = {
  sign_stream: ({ stream, expires_in: expiresIn, ...rest }) => signStream(stream, { expiresIn, ...rest }),
  issue_token: ({ identity, ...rest }) => issueToken(identity, rest),
  stream_from: ({ stream, position, expires_in: expiresIn, ...rest }) =>
    streamFrom(stream, position, { expiresIn, ...rest }),
  source_tag: ({ streams, position, identity, expires_in: expiresIn, ...rest }) =>
    sourceTag(streams, position, identity, { expiresIn, ...rest }),
  script_tag: scriptTag,
  turbo_stream: ({ action, target, html, attributes }) => turboStream(action, target, html, attributes),
  wants_turbo_stream: ({ accept }) => (hotcable.wantsTurboStream(accept) ? hotcable.TURBO_STREAM : ''),
  broadcast_key: hotcable.broadcastKey,
  position: ({ streams, ...rest }) => hotcable.position(streams, rest),
  publication: ({ stream, html, ...rest }) => hotcable.publication(stream, html, rest),
  broadcast: ({ stream, html, ...rest }) => hotcable.broadcast(stream, html, inMs(rest)),
  publish: ({ publications, ...rest }) => hotcable.publish(publications, inMs(rest)),
  answer_subscribe: async ({ authorization, body, allow, ...rest }) => {
    let seen = ''
    const answer = await hotcable.answerSubscribe(
      authorization,
      body,
      (...given) => {
        seen = ` ${JSON.stringify(given)}`
        return allow
      },
      rest,
    )
    return answer.join(' ') + seen
  },
  disconnect: ({ identity, ...rest }) => hotcable.disconnect(identity, inMs(rest)),
}

// biome-ignore lint/suspicious/noExplicitAny: as above.
const inMs = ({ timeout, ...rest }: any) => ({ timeoutMs: timeout * 1000, ...rest })

// Not node:readline, which ends a line at U+2028 as well: JSON may hold one.
let rest = ''
for await (const chunk of process.stdin.setEncoding('utf8')) {
  const lines = `${rest}${chunk}`.split('\n')
  rest = lines.pop()!
  for (const line of lines) {
    const { do: name, ...ask } = JSON.parse(line)
    const result = (async () => ({ result: (await ANSWERS[name]!(ask)) ?? null }))()
    console.log(JSON.stringify(await result.catch(error => ({ error: String(error) }))))
  }
}
