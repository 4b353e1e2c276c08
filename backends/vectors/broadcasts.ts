/** The requests of a backend to the cable, and the answers that the helper must believe. */
import { hex, SECRET, TEXTS } from './sign.ts'

const FLAGS = {
  not_utf8:
    'Not UTF-8: in HTML, U+FFFD replaces each incomplete character and each stray byte; the helper refuses a stream name, `latest` or an identity.',
  target: 'A broadcast goes to the unchanged URL. For a position, the path ends with /position, and the stream names are added to the query.',
  not_201: 'Only 201 means that the cable took the broadcast; a 200 may come from a proxy, a login page or another server.',
  not_200: 'Only 200 has a position. AnyCable, which has no such route, answers 404.',
  not_json: 'The answer is not JSON.',
  not_an_object: 'JSON, but not an object with a position.',
  not_a_position:
    'A position is digits, a slash, and one or more of A-Z a-z 0-9 _ and -; nothing before it and nothing after.',
}
const NOTES = { position: 'The helper returns the position unchanged.', unknown: 'The cable answers that the position is unknown.' }

const body = (
  id: string,
  stream: string,
  html: string,
  { exclude = '', transient = false, latest = '' }: { exclude?: string; transient?: boolean; latest?: string } = {},
) => {
  const meta = {
    id: 'ID',
    ...(exclude && { exclude_socket: exclude }),
    ...(transient && { transient }),
    ...(latest && { key: latest }),
  }
  return {
    ...{ id, stream, html },
    ...(exclude && { exclude }),
    ...(transient && { transient }),
    ...(latest && { latest }),
    body: JSON.stringify({ stream, data: JSON.stringify(html), meta }),
  }
}
const list = (id: string, publications: readonly string[]) => ({ id, publications, body: `[${publications.join()}]` })
const disconnect = (id: string, identity: object, reconnect: boolean) => ({
  ...{ id, identity, reconnect },
  body: JSON.stringify({ command: 'disconnect', payload: { identifier: JSON.stringify(identity), reconnect } }),
})
const accept = (id: string, flag: keyof typeof NOTES, position: string, answer = JSON.stringify({ position })) => ({
  id,
  flag,
  status: 200,
  answer,
  position,
})
const refuse = (id: string, flag: keyof typeof FLAGS, answer: unknown, status = 200) => ({
  id,
  flag,
  status,
  answer: typeof answer === 'string' ? answer : JSON.stringify(answer),
})
const fails = (id: string, status: number, answer: unknown) => ({
  id,
  flag: 'not_201',
  status,
  answer: JSON.stringify(answer),
})
const notUtf8 = (id: string, hex: string) => {
  const text = new TextDecoder().decode(Buffer.from(hex, 'hex'))
  const target = text.replace('&', '&amp;').replace('<', '&lt;')
  const html = tag(text).replace('cards', target)
  return { id, flag: 'not_utf8', hex, text, html, body: body(id, 'board/1', text).body }
}
const target = (id: string, url: string, post: string, streams: readonly string[], get: string) => ({
  id,
  flag: 'target',
  url,
  post,
  streams,
  get,
})
const MANY = Array.from({ length: 211 }, (_, at) => `board/${100 + at}`)
const named = (streams: readonly string[]): string => streams.map(name => `stream=${name.replace('/', '%2F')}`).join('&')
const tag = (html: string) => `<turbo-stream action="append" target="cards"><template>${html}</template></turbo-stream>`

export const broadcasts = {
  about:
    'Broadcasts. produce: the body that broadcast(stream, html, exclude, transient, latest) must POST, and publication must return; ID in a body stands for the ' +
    'random id of the call, 22 characters of A-Z a-z 0-9 - and _. lists: the body that publish(publications) must POST. disconnects: the body that ' +
    'disconnect(identity, reconnect) must POST. keys: the broadcast key derived from a secret. accept: answers from which ' +
    'position() must return position. refuse: answers after which position() must return "-", unknown; those with the flag not_201 are ' +
    'answers to broadcast(), which must raise its error with the status in the message. not_utf8: bytes (hex); broadcast("board/1", bytes) must POST body, ' +
    'turbo_stream("append", bytes, bytes) must return html, where text stands for the bytes, and all that takes a name, also in `latest`, or an identity must raise. targets: the path ' +
    'and query to which broadcast() with a URL that ends with url must POST, and from which position(streams) must GET.',
  notes: { ...NOTES, ...FLAGS },
  produce: [
    body('a broadcast', 'board/1', tag('<li>Hi</li>')),
    body('a refresh', 'chat:2021', '<turbo-stream action="refresh"></turbo-stream>'),
    body('nothing at all', '', ''),
    body('not for the page that made the change', 'board/1', tag('x'), { exclude: 'V1StGXR8_Z5jdHi6B-myT' }),
    body('not kept in the history', 'board/1', tag('x'), { transient: true }),
    body('both', 'board/1', tag('x'), { exclude: 'é"\\/🦄', transient: true }),
    body('only the newest is kept', 'board/1', tag('x'), { latest: 'export/7' }),
    body('the newest of a name that looks like nothing', 'board/1', tag('x'), { latest: '0' }),
    body('all options', 'board/1', tag('x'), { exclude: 'a', transient: true, latest: '</é"\\🦄>' }),
    ...Object.entries(TEXTS).map(([id, text]) => body(`text: ${id}`, text, tag(text))),
  ],
  lists: [
    list('one publication', [body('', 'board/1', tag('x')).body]),
    list('two publications', [body('', 'board/1', tag('é')).body, body('', 'board/2', 'x', { transient: true }).body]),
    list('text that a helper did not make stays as it is', ['{ "stream":"a\\/b", "data":"\\u00e9" }']),
  ],
  disconnects: [
    disconnect('a page that comes back', { user: 7 }, true),
    disconnect('a page that stays away', { user: 7, admin: false, note: null }, false),
    disconnect('an identity in any script', { name: 'Zoë "日本" 🦄 </b>/' }, true),
    disconnect('an empty identity', {}, false),
  ],
  keys: [SECRET, 's3cЯeT', '🔑', ' ', '00ff', 'k'.repeat(65)].map(secret => ({
    id: `derived from ${secret.length > 10 ? `${secret.length} letters` : JSON.stringify(secret)}`,
    secret,
    key: hex(secret, 'broadcast-cable'),
  })),
  accept: [
    accept('the start of an epoch', 'position', '0/aZ3x'),
    accept('a position', 'position', '12/aZ3x'),
    accept('a large offset', 'position', '18446744073709551616/aZ3x'),
    accept('every character of an epoch', 'position', '7/V1StGXR8_Z5jdHi6B-myT'),
    accept('an epoch that starts with a dash', 'position', '7/-_'),
    accept('more than the position', 'position', '12/aZ3x', '{"stream":"board/1","position":"12/aZ3x","ttl":300}'),
    accept('escaped slashes and white space', 'position', '12/aZ3x', ' {\n "position" : "12\\/aZ3x" }\n'),
    accept('unknown', 'unknown', '-'),
  ],
  refuse: [
    fails('a broadcast that gets 200', 200, {}),
    fails('a broadcast that gets 202', 202, {}),
    fails('a broadcast that gets 204', 204, {}),
    fails('a broadcast that is redirected', 302, {}),
    fails('a broadcast with a bad key', 401, {
      error: 'unauthorized',
      message: 'send Authorization: Bearer <broadcast key>',
    }),
    fails('a broadcast to the wrong path', 404, { error: 'not_found' }),
    fails('a broadcast that is too large', 413, { error: 'too_large' }),
    fails('a broadcast that is malformed', 422, {
      error: 'publication_malformed',
      message: 'data is not a string é🦄',
    }),
    fails('a broadcast that breaks the cable', 500, { error: 'internal' }),
    fails('a broadcast when the cable is gone', 502, {}),
    refuse('not found', 'not_200', { position: '12/aZ3x' }, 404),
    refuse('unauthorized', 'not_200', { position: '12/aZ3x' }, 401),
    refuse('created', 'not_200', { position: '12/aZ3x' }, 201),
    refuse('redirected', 'not_200', { position: '12/aZ3x' }, 302),
    refuse('broken', 'not_200', { position: '12/aZ3x' }, 500),
    refuse('an empty answer', 'not_json', ''),
    refuse('HTML', 'not_json', '<h1>Welcome</h1>'),
    refuse('JSON cut short', 'not_json', '{"position":"12/aZ3x"'),
    refuse('only the position', 'not_json', '12/aZ3x'),
    refuse('no position', 'not_an_object', { offset: 12, epoch: 'aZ3x' }),
    refuse('an array', 'not_an_object', ['12/aZ3x']),
    refuse('a string', 'not_an_object', '"12/aZ3x"'),
    refuse('null', 'not_an_object', 'null'),
    refuse('a number', 'not_an_object', '12'),
    refuse('a position that is a number', 'not_a_position', { position: 12 }),
    refuse('a position that is null', 'not_a_position', { position: null }),
    refuse('a position that is an array', 'not_a_position', { position: ['12/aZ3x'] }),
    refuse('a position that is an object', 'not_a_position', { position: { offset: 12 } }),
    refuse('a position that is empty', 'not_a_position', { position: '' }),
    refuse('no epoch', 'not_a_position', { position: '12/' }),
    refuse('no slash', 'not_a_position', { position: '12' }),
    refuse('no offset', 'not_a_position', { position: '/aZ3x' }),
    refuse('a negative offset', 'not_a_position', { position: '-1/aZ3x' }),
    refuse('a fraction', 'not_a_position', { position: '1.5/aZ3x' }),
    refuse('digits of another script', 'not_a_position', { position: '١٢/aZ3x' }),
    refuse('an epoch in another script', 'not_a_position', { position: '12/эпоха' }),
    refuse('two slashes', 'not_a_position', { position: '12/aZ3x/1' }),
    refuse('a space before', 'not_a_position', { position: ' 12/aZ3x' }),
    refuse('a newline after', 'not_a_position', { position: '12/aZ3x\n' }),
    refuse('a line before', 'not_a_position', { position: 'x\n12/aZ3x' }),
    refuse('markup', 'not_a_position', { position: '12/"><script>' }),
  ],
  not_utf8: [
    notUtf8('Latin-1', '636166e9'),
    notUtf8('Latin-1 before a letter', '636166e92e'),
    notUtf8('Latin-1 twice', 'e9e9'),
    notUtf8('an emoji cut short', '3cf09fa6'),
    notUtf8('an emoji cut short, and text', 'f09fa63c'),
    notUtf8('a euro sign cut short before another', 'e282e282ac'),
    notUtf8('a byte order mark of UTF-16', 'fffe'),
    notUtf8('a slash of two bytes', 'c0af'),
    notUtf8('bytes that only continue', '618080'),
    notUtf8('beside what is UTF-8', 'c3a9ff26f09fa684'),
  ],
  targets: [
    target('no stream', '/_broadcast', '/_broadcast', [], '/_broadcast/position'),
    target('a stream', '/_broadcast', '/_broadcast', ['a/é&b+ c'], '/_broadcast/position?stream=a%2F%C3%A9%26b%2B%20c'),
    target('two streams', '/_broadcast', '/_broadcast', ['a', 'b'], '/_broadcast/position?stream=a&stream=b'),
    target('a query', '/_broadcast?k=1', '/_broadcast?k=1', [], '/_broadcast/position?k=1'),
    target('a query and a stream', '/x?k=%2F&l', '/x?k=%2F&l', ['a'], '/x/position?k=%2F&l&stream=a'),
    target('a fragment', '/_broadcast?k=1#top', '/_broadcast?k=1', ['a'], '/_broadcast/position?k=1&stream=a'),
    target('a slash at the end', '/_broadcast/', '/_broadcast/', [], '/_broadcast/position'),
    target('no path', '', '/', [], '/position'),
    target('no path, but a query', '?k=1', '/?k=1', [], '/position?k=1'),
    target('as many streams as fit', '/x', '/x', MANY.slice(0, 210), `/x/position?${named(MANY.slice(0, 210))}`),
    target('more streams than fit', '/x', '/x', MANY, '/x/position'),
  ],
}
