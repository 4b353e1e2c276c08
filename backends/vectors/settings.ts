/** The sources of the helpers' secrets, key and URL: the first variable that is set and not empty. */
import { base64url, CYRILLIC, hex, jwt, sealJson } from './sign.ts'

type Env = Record<string, string>

const FLAGS = {
  no_secret: 'No secret anywhere. The error must name every variable that can hold one.',
  empty_secret: 'The helper refuses an empty secret, in an argument or a variable: HMAC accepts it, and everyone can forge its signatures.',
}

const NOW = 1_700_000_000
const STREAMS = ['ANYCABLE_TURBO_STREAMS_SECRET', 'ANYCABLE_STREAMS_SECRET', 'ANYCABLE_SECRET']
const JWT = ['ANYCABLE_JWT_SECRET', 'ANYCABLE_SECRET']

const stream = (id: string, secret: string, env: Env) => ({
  id,
  call: 'sign_stream',
  env,
  result: sealJson('"board/1"', secret),
})
const token = (id: string, secret: string, env: Env) => ({
  id,
  call: 'issue_token',
  env,
  result: jwt(
    base64url('{"alg":"HS256","typ":"JWT"}'),
    base64url(JSON.stringify({ ext: '{"visitor":"7"}', exp: NOW + 3600 })),
    secret,
  ),
})
const cable = (id: string, url: string, env: Env) => ({
  id,
  call: 'meta_tags',
  env: { ANYCABLE_SECRET: 'main', ...env },
  result: `<meta name="cable-url" content="${url}">`,
})
const script = (id: string, src: string, env: Env) => ({
  id,
  call: 'script_tag',
  env,
  result: `<script type="module" src="${src}"></script>`,
})
const key = (id: string, key: string | null, env: Env) => ({
  id,
  call: 'broadcast',
  env,
  result: key && `Bearer ${key}`,
})
const asked = (id: string, key: string, env: Env) => ({ id, call: 'answer_subscribe', env, result: key })
const derived = (secret: string) => hex(secret, 'broadcast-cable')
const refuse = (id: string, flag: keyof typeof FLAGS, call: string, env: Env, secret?: string) => ({
  id,
  flag,
  call,
  env,
  ...(secret !== undefined && { secret }),
  names: call === 'sign_stream' ? STREAMS : JWT,
})

export const settings = {
  about:
    'Settings. produce: with only these ANYCABLE_ variables set, sign_stream("board/1") and issue_token({"visitor":"7"}, now = 1700000000) are result, ' +
    'meta_tags has the line result, script_tag() is result, broadcast sends Authorization: result (null: does not send it), ' +
    'answer_subscribe takes the key result. refuse: the call raises an error that has all of names.',
  notes: FLAGS,
  produce: [
    stream('streams: one secret is enough', 'main', { ANYCABLE_SECRET: 'main' }),
    stream('streams: their own secret wins', 'streams', {
      ANYCABLE_SECRET: 'main',
      ANYCABLE_STREAMS_SECRET: 'streams',
      ANYCABLE_JWT_SECRET: 'jwt',
    }),
    stream("streams: Turbo's own secret wins over both", 'turbo', {
      ANYCABLE_SECRET: 'main',
      ANYCABLE_STREAMS_SECRET: 'streams',
      ANYCABLE_TURBO_STREAMS_SECRET: 'turbo',
    }),
    stream('streams: an empty one does not count', 'main', {
      ANYCABLE_SECRET: 'main',
      ANYCABLE_STREAMS_SECRET: '',
      ANYCABLE_TURBO_STREAMS_SECRET: '',
    }),
    stream('streams: a secret that is not ASCII', CYRILLIC, { ANYCABLE_TURBO_STREAMS_SECRET: CYRILLIC }),
    stream('streams: a zero is a secret', '0', { ANYCABLE_SECRET: '0' }),
    token('tokens: one secret is enough', 'main', { ANYCABLE_SECRET: 'main' }),
    token('tokens: their own secret wins', 'jwt', {
      ANYCABLE_SECRET: 'main',
      ANYCABLE_JWT_SECRET: 'jwt',
      ANYCABLE_STREAMS_SECRET: 'streams',
    }),
    token('tokens: an empty one does not count', 'main', { ANYCABLE_SECRET: 'main', ANYCABLE_JWT_SECRET: '' }),
    token('tokens: a secret that is not ASCII', CYRILLIC, { ANYCABLE_JWT_SECRET: CYRILLIC }),
    script('script: the default', 'http://localhost:8080/cable/hotcable.js', { ANYCABLE_WEBSOCKET_URL: '' }),
    script('script: beside the cable', 'https://example.com/live/hotcable.js', {
      ANYCABLE_WEBSOCKET_URL: 'wss://example.com/live',
    }),
    cable('cable: on this machine', 'ws://localhost:8080/cable', {}),
    cable('cable: elsewhere', 'wss://example.com/cable', { ANYCABLE_WEBSOCKET_URL: 'wss://example.com/cable' }),
    cable('cable: an empty one does not count', 'ws://localhost:8080/cable', { ANYCABLE_WEBSOCKET_URL: '' }),
    key('key: none without a secret', null, {}),
    key('key: derived', derived('main'), { ANYCABLE_SECRET: 'main' }),
    key('key: derived from a secret that is not ASCII', derived(CYRILLIC), { ANYCABLE_SECRET: CYRILLIC }),
    key('key: derived from a zero', derived('0'), { ANYCABLE_SECRET: '0' }),
    key('key: not derived from the others', null, { ANYCABLE_JWT_SECRET: 'jwt', ANYCABLE_STREAMS_SECRET: 'streams' }),
    key('key: its own wins', 'key', { ANYCABLE_SECRET: 'main', ANYCABLE_BROADCAST_KEY: 'key' }),
    key('key: an empty one does not count', derived('main'), { ANYCABLE_SECRET: 'main', ANYCABLE_BROADCAST_KEY: '' }),
    key('key: switched off', null, { ANYCABLE_SECRET: 'main', ANYCABLE_BROADCAST_KEY: 'none' }),
    key('key: UTF-8 on the wire', CYRILLIC, { ANYCABLE_BROADCAST_KEY: CYRILLIC }),
    asked('answer: derived', hex('main', 'subscribe-cable'), { ANYCABLE_SECRET: 'main' }),
    asked('answer: its own wins', 'key', { ANYCABLE_SECRET: 'main', HOTCABLE_SUBSCRIBE_KEY: 'key' }),
    asked('answer: an empty one does not count', hex('main', 'subscribe-cable'), {
      ANYCABLE_SECRET: 'main',
      HOTCABLE_SUBSCRIBE_KEY: '',
    }),
  ],
  refuse: [
    refuse('streams without a secret', 'no_secret', 'sign_stream', {}),
    refuse('streams with the secrets of others', 'no_secret', 'sign_stream', {
      ANYCABLE_JWT_SECRET: 'jwt',
      ANYCABLE_BROADCAST_KEY: 'key',
    }),
    refuse('streams with empty secrets', 'empty_secret', 'sign_stream', {
      ANYCABLE_SECRET: '',
      ANYCABLE_STREAMS_SECRET: '',
    }),
    refuse('streams with an empty argument', 'empty_secret', 'sign_stream', { ANYCABLE_SECRET: 'main' }, ''),
    refuse('tokens without a secret', 'no_secret', 'issue_token', {}),
    refuse('tokens with the secrets of others', 'no_secret', 'issue_token', { ANYCABLE_STREAMS_SECRET: 'streams' }),
    refuse('tokens with empty secrets', 'empty_secret', 'issue_token', {
      ANYCABLE_SECRET: '',
      ANYCABLE_JWT_SECRET: '',
    }),
    refuse('tokens with an empty argument', 'empty_secret', 'issue_token', { ANYCABLE_SECRET: 'main' }, ''),
  ],
}
