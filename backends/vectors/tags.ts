/** HTML: the tags of a page and of a broadcast. Helpers refuse nothing here: a tag stays a tag. */
import { CYRILLIC, hex, SECRET, sealJson, base64url, jwt, TEXTS } from './sign.ts'

const NOW = 1_700_000_000
const escape = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

const streamFrom = (id: string, stream: string, position: string, secret = SECRET, expires_in?: number) => {
  const exp = expires_in === undefined ? undefined : new Date((NOW + expires_in) * 1000).toISOString()
  const signed = sealJson(JSON.stringify(exp ? { _rails: { data: stream, exp } } : stream), secret)
  const digest = hex(secret, signed.slice(0, -66))
  const element = `cable-${digest.slice(0, 8)}-${position.split('/').join('-')}`
  const attributes = `id="${escape(element)}" data-position="${escape(position)}" channel="Turbo::StreamsChannel" signed-stream-name="${signed}"`
  return {
    id,
    make: 'stream_from',
    ...(secret !== SECRET && { secret }),
    stream,
    position,
    ...(exp && { expires_in, now: NOW }),
    html: `<turbo-cable-stream-source ${attributes}></turbo-cable-stream-source>`,
  }
}

const sourceTag = (
  id: string,
  streams: readonly string[],
  position: string,
  url: string,
  { secret = SECRET, expires_in = undefined as number | undefined, ttl = 3600 } = {},
) => {
  const identity = { visitor: '7' }
  const exp = expires_in === undefined ? undefined : new Date((NOW + expires_in) * 1000).toISOString()
  const names = streams.map(data => sealJson(JSON.stringify(exp ? { _rails: { data, exp } } : data), secret))
  const claims = JSON.stringify({ ext: JSON.stringify(identity), exp: NOW + ttl })
  const query = [
    ...names.map(name => `turbo_signed_stream_name=${encodeURIComponent(name)}`),
    `position=${encodeURIComponent(position)}`,
    `jid=${jwt(base64url('{"alg":"HS256","typ":"JWT"}'), base64url(claims), secret)}`,
  ].join('&')
  const src = `${url}${url.includes('?') ? '&' : '?'}${query}`
  const element = `source-${names[0]!.slice(-64, -56)}-${position.replaceAll('/', '-')}`
  return {
    id,
    make: 'source_tag',
    ...(secret !== SECRET && { secret }),
    ...{ streams, position, identity, url, ttl },
    ...(exp && { expires_in }),
    now: NOW,
    html: `<turbo-stream-source id="${element}" src="${escape(src)}"></turbo-stream-source>`,
  }
}

const metaTags = (id: string, identity: object, url: string, { ttl = 3600, secret = SECRET } = {}) => {
  const claims = JSON.stringify({ ext: JSON.stringify(identity), exp: NOW + ttl })
  const token = jwt(base64url('{"alg":"HS256","typ":"JWT"}'), base64url(claims), secret)
  const meta = (name: string, content: string) => `<meta name="${name}" content="${escape(content)}">`
  const html = [
    meta('action-cable-url', `${url}${url.includes('?') ? '&' : '?'}jid=${token}`),
    meta('cable-url', url),
    meta('cable-token', token),
  ].join('\n')
  return { id, make: 'meta_tags', ...(secret !== SECRET && { secret }), identity, url, ttl, now: NOW, html }
}

const scriptTag = (
  id: string,
  src: string,
  given: { url: string; nonce?: string; drive?: boolean },
  nonce = '',
) => ({ id, make: 'script_tag', ...given, html: `<script type="module" src="${escape(src)}"${nonce}></script>` })

const turboStream = (
  id: string,
  tag: string,
  action: string,
  target: string | null,
  html = '',
  attributes: Record<string, string | null> = {},
) => ({
  id,
  make: 'turbo_stream',
  action,
  target,
  content: html,
  attributes,
  html: tag,
})
const wrap = (html: string) =>
  `<turbo-stream action="append" target="cards"><template>${html}</template></turbo-stream>`

const TURBO_STREAM = 'text/vnd.turbo-stream.html; charset=utf-8'
const answer = (accept: string, type: typeof TURBO_STREAM | '') => ({
  id: `Accept: ${accept === '' ? 'nothing' : accept}`,
  accept,
  type,
})

export const tags = {
  about:
    'Tags, to the byte. make is the function, html the result; content is the html argument of turbo_stream; a target of null means no target. ' +
    'A case may have another secret. answers: the Accept header of a request, and the type of an answer that holds Turbo streams, or nothing if such ' +
    'an answer is not wanted.',
  secret: SECRET,
  notes: {},
  produce: [
    streamFrom('from the start of an epoch', 'board/1', '0/aZ3x'),
    streamFrom('from a position', 'board/1', '12/aZ3x'),
    streamFrom('from an unknown position', 'board/1', '-'),
    streamFrom('from a long epoch', 'board/1', '9007199254740991/V1StGXR8_Z5jdHi6B-myT'),
    streamFrom('an invalid position stays an attribute', 'board/1', '1/2/"><script>&'),
    streamFrom('with a secret that is not ASCII', 'board/1', '12/aZ3x', CYRILLIC),
    streamFrom('for an hour', 'board/1', '12/aZ3x', SECRET, 3600),
    streamFrom('for no time at all', 'board/1', '12/aZ3x', SECRET, 0),
    ...Object.entries(TEXTS)
      .filter(([id]) => id !== 'very_long')
      .map(([id, text]) => streamFrom(`stream from text: ${id}`, text, '7/e')),
    sourceTag('a source of one stream', ['board/1'], '12/aZ3x-k9X2mQ', 'https://example.com/events'),
    sourceTag('a source of two streams', ['board/1', 'chat:é🦄?&+'], '12/aZ3x-k9X2mQ', 'https://example.com/events'),
    sourceTag('a source of many streams', Array.from({ length: 20 }, (_, at) => `board/${at}`), '0/e-0', '/events'),
    sourceTag('a source from an unknown position', ['board/1'], '-', 'http://localhost:8080/events'),
    sourceTag('a source with a query', ['board/1'], '12/aZ3x-k9X2mQ', 'https://example.com/events?v=1&w="<'),
    sourceTag('a source for a while', ['board/1'], '12/aZ3x-k9X2mQ', '/events', { expires_in: 600, ttl: 60 }),
    sourceTag('a source with a secret that is not ASCII', ['board/1'], '7/e', '/events', { secret: CYRILLIC }),
    metaTags('meta tags', { visitor: '0123456789abcdef' }, 'ws://localhost:8080/cable'),
    metaTags('meta tags over TLS', { visitor: '7' }, 'wss://example.com/cable'),
    metaTags('meta tags with a query', { visitor: '7' }, 'wss://example.com/cable?v=1'),
    metaTags('meta tags with a query that needs escaping', { visitor: '7' }, 'wss://example.com/cable?a=1&b="<é>"'),
    metaTags('meta tags for a name in any script', { name: 'Zoë "日本" 🦄 <b>' }, 'ws://localhost:8080/cable', {
      ttl: 60,
    }),
    metaTags('meta tags with a secret that is not ASCII', {}, 'ws://localhost:8080/cable', { secret: CYRILLIC }),
    ...[
      ['ws://localhost:8080/cable', 'http://localhost:8080/cable/hotcable.js'],
      ['wss://example.com/live/cable/', 'https://example.com/live/cable/hotcable.js'],
      ['wss://example.com/cable?v=1#x.js', 'https://example.com/cable/hotcable.js'],
      ['wss://example.com', 'https://example.com/hotcable.js'],
      ['https://example.com/cable', 'https://example.com/cable/hotcable.js'],
      ['/cable', '/cable/hotcable.js'],
      ['ws/cable', 'ws/cable/hotcable.js'],
      ['/static/hotcable-streams.js', '/static/hotcable-streams.js'],
      ['https://cdn.example.com/hotcable.js?v=1&b="<é>"#x', 'https://cdn.example.com/hotcable.js?v=1&b="<é>"'],
    ].map(([url, src]) => scriptTag(`script of ${url}`, src!, { url: url! })),
    scriptTag('script with a nonce', '/cable/hotcable.js', { url: '/cable', nonce: 'r4nd"0m' }, ' nonce="r4nd&quot;0m"'),
    scriptTag('script with an empty nonce', '/cable/hotcable.js', { url: '/cable', nonce: '' }),
    scriptTag('script with Drive', '/cable/hotcable.js', { url: '/cable', drive: true }),
    scriptTag('script without Drive', '/cable/hotcable.js?drive=off', { url: '/cable?a=b', drive: false }),
    scriptTag('script without Drive, of a URL with a query', '/a.js?v=1&drive=off', { url: '/a.js?v=1', drive: false }),
    turboStream('append', wrap('<li>Hi</li>'), 'append', 'cards', '<li>Hi</li>'),
    turboStream('append nothing', wrap(''), 'append', 'cards'),
    turboStream(
      'HTML goes in as it is',
      wrap('<b class="x">&amp; é🦄 \u2028</b>\n'),
      'append',
      'cards',
      '<b class="x">&amp; é🦄 \u2028</b>\n',
    ),
    turboStream(
      'replace with morphing',
      '<turbo-stream method="morph" action="replace" target="card_1"><template><li>1</li></template></turbo-stream>',
      'replace',
      'card_1',
      '<li>1</li>',
      { method: 'morph' },
    ),
    turboStream(
      'update',
      '<turbo-stream action="update" target="card-count"><template>3 cards</template></turbo-stream>',
      'update',
      'card-count',
      '3 cards',
    ),
    turboStream('remove', '<turbo-stream action="remove" target="card_1"></turbo-stream>', 'remove', 'card_1'),
    turboStream(
      'remove has no template',
      '<turbo-stream action="remove" target="card_1"></turbo-stream>',
      'remove',
      'card_1',
      '<li>Hi</li>',
    ),
    turboStream('refresh', '<turbo-stream action="refresh"></turbo-stream>', 'refresh', null),
    turboStream(
      'refresh has no target and no template',
      '<turbo-stream action="refresh"></turbo-stream>',
      'refresh',
      'cards',
      '<li>Hi</li>',
    ),
    turboStream(
      'refresh in a way',
      '<turbo-stream method="morph" scroll="preserve" request-id="a&quot;b" action="refresh"></turbo-stream>',
      'refresh',
      null,
      '',
      { method: 'morph', scroll: 'preserve', 'request-id': 'a"b' },
    ),
    turboStream(
      'an attribute of null is left out',
      '<turbo-stream action="refresh"></turbo-stream>',
      'refresh',
      null,
      '',
      { 'request-id': null },
    ),
    turboStream(
      'an empty attribute stays',
      '<turbo-stream data-x="" action="remove" target=""></turbo-stream>',
      'remove',
      '',
      '',
      { 'data-x': '' },
    ),
    turboStream(
      'attributes in the order given',
      '<turbo-stream z="1" a="2" m="3" action="remove" target="x"></turbo-stream>',
      'remove',
      'x',
      '',
      { z: '1', a: '2', m: '3' },
    ),
    turboStream(
      'targets in place of a target',
      '<turbo-stream targets=".card &gt; b" action="after"><template>x</template></turbo-stream>',
      'after',
      null,
      'x',
      { targets: '.card > b' },
    ),
    turboStream(
      'a target is escaped',
      '<turbo-stream action="append" target="&lt;&amp;amp;&gt; \'&quot;é🦄"><template>x</template></turbo-stream>',
      'append',
      '<&amp;> \'"é🦄',
      'x',
    ),
    turboStream(
      'an action of your own',
      '<turbo-stream title="&lt;hi&gt;" action="notify"><template>x</template></turbo-stream>',
      'notify',
      null,
      'x',
      { title: '<hi>' },
    ),
    turboStream(
      'an action is escaped',
      '<turbo-stream action="a&quot;b" target="x"><template></template></turbo-stream>',
      'a"b',
      'x',
    ),
  ],
  answers: [
    answer('text/vnd.turbo-stream.html, text/html, application/xhtml+xml', TURBO_STREAM),
    answer('text/html,text/vnd.turbo-stream.html', TURBO_STREAM),
    answer('text/html, Text/Vnd.Turbo-Stream.HTML;q=0.9 , */*', TURBO_STREAM),
    answer('text/vnd.turbo-stream.html', TURBO_STREAM),
    answer('TEXT/VND.TURBO-STREAM.HTML', TURBO_STREAM),
    answer('text/vnd.turbo-stream.html; charset=utf-8', TURBO_STREAM),
    answer('', ''),
    answer('*/*', ''),
    answer('text/*', ''),
    answer('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', ''),
    answer('text/vnd.turbo-stream.html5', ''),
    answer('x-text/vnd.turbo-stream.html', ''),
    answer('text/vnd.turbo-stream+html', ''),
    answer('text/vndXturbo-stream.html', ''),
  ],
}
