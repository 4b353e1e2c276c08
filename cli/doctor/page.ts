/** What a page tells its browser about the cable: meta tags, the script, the first signed name. Pure. */
import { type Tag, tagsOf } from '../../server/protocol/tags.ts'

export interface PageTags {
  /** The cable's URL, as written: `cable-url`, else `action-cable-url`. */
  readonly cable: string | undefined
  readonly token: string | undefined
  readonly signedName: string | undefined
  /** The `src` of hotcable.js or hotcable-streams.js. */
  readonly script: string | undefined
}

export function readPage(html: string): PageTags {
  const tags = tagsOf(html)
  const attributesOf = (name: string, matches: (attributes: Tag['attributes']) => boolean) =>
    tags.find(tag => tag.name === name && matches(tag.attributes))?.attributes
  const meta = (name: string) => attributesOf('meta', attributes => attributes.get('name') === name)?.get('content')
  const withToken = meta('action-cable-url')
  return {
    cable: meta('cable-url') ?? withToken,
    token: meta('cable-token') ?? tokenIn(withToken ?? ''),
    signedName: attributesOf('turbo-cable-stream-source', source => source.has('signed-stream-name'))?.get(
      'signed-stream-name',
    ),
    script: attributesOf('script', script => SCRIPT.test(script.get('src') ?? ''))?.get('src'),
  }
}

/** The token in a URL's query. */
export const tokenIn = (url: string): string | undefined => /[?&]jid=([^&#]+)/.exec(url)?.[1]

const SCRIPT = /\bhotcable(-streams)?\b[^/]*\.js/
