/** The tag that subscribes a page by server-sent events. The token in it is the right one: issue_token asks for that. */
import { issueToken } from './issue-token.ts'
import { MARKUP, openTag, type Pairs } from './markup.ts'
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { type Names, SIGNING, sign } from './sign-stream.ts'

type Tokens = Parameters<typeof issueToken.make>[0]

interface Sources extends Omit<Names, 'now'>, Tokens {
  streams: readonly string[]
  position: string
  url: string
}

const SOURCE = {
  ...SIGNING,
  ...MARKUP,
  encoded: ways(encodeURIComponent, {
    'names and position are not percent-encoded': text => String(text),
    'a slash stays as it is: it takes %2F': text => encodeURIComponent(text).replaceAll('%2F', '/'),
  }),
  mark: ways((url: string) => (url.includes('?') ? '&' : '?'), {
    'a URL that has a query gets another ?: it takes &': () => '?',
  }),
  taken: ways((streams: readonly string[]) => streams, {
    'the tag has only the first name: it takes all of them': ([first]) => [first!],
  }),
} satisfies Steps

function source(how: Choice<typeof SOURCE>, question: Sources): string {
  const { position, streams, url } = question
  const names = how.taken(streams).map(stream => sign(how, { ...question, stream }))
  const query = [
    ...names.map(name => `turbo_signed_stream_name=${how.encoded(name)}`),
    `position=${how.encoded(position)}`,
    `jid=${issueToken.make(question)}`,
  ]
  const id = `source-${names[0]!.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  const attributes: Pairs = [
    ['id', id],
    ['src', url + how.mark(url) + query.join('&')],
  ]
  return `${openTag(how, 'turbo-stream-source', attributes)}</turbo-stream-source>`
}

export const sourceTag = recipe(SOURCE, source)
