import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metaTags, scriptTag, sourceTag, streamFrom, turboStream } from '../../backends/typescript/hotcable.ts'
import { readConfig } from '../config/read.ts'
import { tagsOf } from '../protocol/tags.ts'
import { LEAK } from '../test/test-cable.ts'
import type { Context } from './context.ts'
import { decode } from './decode.ts'
import type { Finding } from './finding.ts'
import { printFindings } from './print.ts'

const secret = 'canary-qwerty'
const now = 1_800_000_000
const context = (more: Partial<Context> = {}): Context => ({
  settings: readConfig([`--secret=${secret}`, '--turbo_streams', '--sse'], {}),
  now,
  ...more,
})

const codesOf = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ faults, parts }) => [...faults.map(({ code }) => code), ...codesOf(parts)])

const ADA = { user: 'ada' }
const metas = (options = {}) => metaTags(ADA, { url: 'wss://a.example/cable', secret, now, ...options })
const stream = (position = '1/aZ3x', options = {}) => streamFrom('board/1', position, { secret, ...options })
const script = scriptTag({ url: 'wss://a.example/cable' })
const cards = '<ol id="cards"></ol>'
const page = (head: string, body: string) => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`
const escaped = (html: string) => html.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
const HEAD = metas() + script

const PAGES: readonly (readonly [title: string, html: string, ...codes: string[]])[] = [
  ['a page as the helper makes it', page(HEAD, stream() + cards)],
  ['a page without meta tags', page(script, stream()), 'page_metas_missing'],
  ['a page without a token', page(HEAD.replace(/<meta name="cable-token"[^>]*>/, ''), stream()), 'page_meta_missing'],
  [
    'a page with the URL of a site',
    page(metas({ url: 'https://a.example/cable' }) + script, stream()),
    'url_scheme',
    'url_scheme',
  ],
  ['a page with a relative URL', page(metas({ url: '/cable' }) + script, stream()), 'url_relative', 'url_relative'],
  ['a page with an expired token', page(metas({ ttl: -1 }) + script, stream()), 'token_expired'],
  ['a page with a token of another secret', page(metas({ secret: 'x' }) + script, stream()), 'token_invalid'],
  [
    'a page with two tokens',
    page(
      metas().replace(/(cable-token" content=")[^"]*/, `$1${/jid=([^"]*)/.exec(metas({ ttl: 9 }))![1]}`) + script,
      stream(),
    ),
    'page_tokens_differ',
  ],
  ['a page without a stream', page(HEAD, cards), 'page_streams_missing'],
  ['a page without a script', page(metas(), stream()), 'page_script_missing'],
  ['a page with a bundle', page(`${metas()}<script src="/app.js"></script>`, stream()), 'page_script_elsewhere'],
  [
    'a page whose script is no module',
    page(metas() + script.replace('type="module" ', ''), stream()),
    'page_script_not_module',
  ],
  [
    'a page with two Turbos',
    page(`${HEAD}<script src="https://cdn.example/turbo.min.js"></script>`, stream()),
    'page_turbo_twice',
  ],
  [
    'a page without Turbo',
    page(metas() + script.replace('hotcable.js', 'hotcable-streams.js'), stream()),
    'page_turbo_missing',
  ],
  ['a page made while the cable was away', page(HEAD, stream('-')), 'gap_position_unknown'],
  ['a stream without a position', page(HEAD, stream().replace(/data-position="[^"]*" /, '')), 'position_missing'],
  ['a stream without an id', page(HEAD, stream().replace(/id="[^"]*" /, '')), 'source_id_missing'],
  [
    'a stream without a name',
    page(HEAD, stream().replace(/signed-stream-name="[^"]*"/, '')),
    'source_attribute_missing',
  ],
  ['a stream of another secret', page(HEAD, stream('1/a', { secret: 'x' })), 'stream_signature_mismatch'],
  ['a stream that is there twice', page(HEAD, stream() + stream()), 'page_stream_twice'],
  [
    'tags that a template escaped',
    page(script, escaped(metas() + stream())),
    'page_metas_missing',
    'page_streams_missing',
    'page_escaped',
  ],
  ['a message for an element of the page', page(HEAD, stream() + cards + turboStream('append', 'cards', '<li>1</li>'))],
  [
    'a message for an element that is not there',
    page(HEAD, stream() + cards + turboStream('append', 'card', '<li>1</li>')),
    'message_target_missing',
  ],
  [
    'server-sent events',
    page(script, sourceTag('board/1', '1/aZ3x', ADA, { url: 'https://a.example/events', secret, now })),
  ],
  ['a stream alone, which is no whole page', stream()],
]

for (const [title, html, ...codes] of PAGES) {
  test(`pasted: ${title}`, () => {
    const findings = decode(html, context())

    assert.deepEqual(codesOf(findings), codes)
    assert.doesNotMatch(printFindings(findings), LEAK)
  })
}

test('the last messages of the streams of a page are compared with its elements', () => {
  const sent = [JSON.stringify(turboStream('append', 'cards', '<li id="a"></li>') + turboStream('replace', 'b', ''))]
  const messages = (name: string) => (name === 'board/1' ? sent : [])

  const [found] = decode(page(HEAD, stream() + cards), context({ messages }))

  assert.deepEqual(
    found!.faults.map(({ code, fix }) => [code, / \((.*)\)$/.exec(fix)?.[1]]),
    [['message_target_missing', 'b']],
  )
})

test('the messages of a stream are those after the position of the page', () => {
  const asked: unknown[] = []
  const messages = (...call: unknown[]) => {
    asked.push(call)
    return []
  }
  decode(page(HEAD, stream() + cards), context({ messages }))
  const events = sourceTag('board/1', '1/aZ3x', ADA, { url: 'https://a.example/events', secret, now })
  decode(page(script, events), context({ messages }))
  decode(page(HEAD, stream().replace(/ data-position="[^"]*"/, '') + cards), context({ messages }))

  assert.deepEqual(
    asked.map(call => (call as [string, { offset: number } | undefined])[1]?.offset),
    [Number(/data-position="(\d+)/.exec(stream())![1]), 1, undefined],
  )
})

test('tags: attributes of each spelling, comments and scripts as text, and an end that is missing', () => {
  const html = `<!-- <a> --><A Href=x b='&lt;&#39;"' c = "1>2" d><script>"<b>"</script><c/><e f="1`

  assert.deepEqual(
    tagsOf(html).map(({ name, attributes }) => [name, Object.fromEntries(attributes)]),
    [
      ['a', { href: 'x', b: `<'"`, c: '1>2', d: '' }],
      ['script', {}],
      ['c', {}],
      ['e', { f: '', 1: '' }],
    ],
  )
})

test('decoding takes time in proportion to the length of the text', () => {
  const steps = [
    '<a',
    '<a "',
    "<a='",
    '<!--',
    '<script>',
    '<a b="',
    '&lt;',
    '<a b ',
    '<',
    '</script',
    '<a b=\'" c="\' ',
  ]
  const texts = [
    '<turbo-stream-source src=/?stream=a>',
    '<script src=/turbo.es2017',
    'eyJ.',
    'a--',
    'a_',
    '{"a":[',
    '"\\',
  ]
  for (const step of [...steps, ...texts]) {
    const text = step.repeat((1 << 20) / step.length)

    // A reader that is quadratic in any of these runs into the time-out of the test.
    decode(text, context())
    decode(`<html>${text}`, context())
  }
})
