/**
 * From a URL to what the doctor examines: a cable's URL is the target; a page's URL is fetched, and its tags name the cable.
 */
import { type Answer, ask, type Failure, isFailure, parseUrl } from './ask.ts'
import { type PageTags, readPage } from './page.ts'

export interface Target {
  /** The cable, `ws:` or `wss:`, without a token. */
  readonly cable: URL
  /** The page, if its URL was given. */
  readonly page: PageVisit | undefined
}

export interface PageVisit {
  /** After redirects. */
  readonly url: URL
  readonly answer: Answer | Failure
  readonly tags: PageTags
}

export async function findTarget(url: URL, timeoutMs: number): Promise<Target> {
  if (/^wss?:$/.test(url.protocol)) return { cable: withoutToken(url), page: undefined }
  const page = await visit(url, timeoutMs)
  const cable = parseUrl(page.tags.cable, page.url) ?? new URL('/cable', page.url)
  cable.protocol = /^(https|wss):$/.test(cable.protocol) ? 'wss:' : 'ws:'
  return { cable: withoutToken(cable), page }
}

async function visit(first: URL, timeoutMs: number): Promise<PageVisit> {
  let url = first
  for (let redirects = 0; ; redirects++) {
    const answer = await ask(url, { headers: { accept: 'text/html' }, timeoutMs })
    const location =
      isFailure(answer) || answer.status < 300 || answer.status > 399 ? undefined : answer.headers.location
    const next = parseUrl(location, url)
    if (next === undefined || redirects === MOST_REDIRECTS)
      return { url, answer, tags: readPage(isFailure(answer) ? '' : answer.body) }
    url = next
  }
}

const MOST_REDIRECTS = 5

function withoutToken(url: URL): URL {
  const bare = new URL(url)
  bare.searchParams.delete('jid')
  bare.hash = ''
  return bare
}
