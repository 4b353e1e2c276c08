/**
 * Every fault that a pasted text may have: the refusals of errors.ts, and mistakes that the cable never sees. Pure.
 */
import {
  COMPLAINTS,
  CUTS,
  ENDINGS,
  EVENT_REFUSALS,
  GAPS,
  REJECTIONS,
  REQUEST_REFUSALS,
  type RefusalCode,
} from '../errors.ts'

const MISTAKES = {
  secret_pasted: 'this is a secret of the cable: keep it out of pages, URLs and logs, and replace it if it was in one',
  cut_off: 'the text ends too early: copy it as a whole',
  url_scheme: 'the URL of a cable begins with ws:// or wss://',
  url_relative: 'write the whole URL, ws://host/cable: clients cannot renew a token with a relative one',
  url_of_events: 'the URL of server-sent events begins with http:// or https://',
  url_of_backends: 'backends POST here: clients connect to the path of clients, usually /cable',
  url_path_unknown: 'the cable does not serve clients at this path: see --path',
  page_metas_missing: 'the page has no meta tags for the cable: put what meta_tags(identity) returns into its head',
  page_meta_missing: 'a meta tag is missing: put all that meta_tags(identity) returns into the head',
  page_escaped:
    'the template escaped what a helper returned, so it is text: mark it as HTML, with |safe, raw, {!! !!} or template.HTML',
  page_streams_missing: 'the page listens to no stream: put what stream_from(name, position) returns into its body',
  page_script_missing: 'no script subscribes the page: put what script_tag() returns into the head',
  page_script_not_module: 'hotcable.js is a module: write <script type="module">, as script_tag() does',
  page_turbo_twice: 'two scripts bring a Turbo, so messages appear twice: load hotcable-streams.js, which has none',
  page_turbo_missing: 'hotcable-streams.js needs a Turbo from elsewhere: load one, or load hotcable.js',
  source_attribute_missing: 'an attribute of the element is missing: use what stream_from(name, position) returns',
  message_target_missing: 'the message changes nothing: no element of the page has this id',
  message_without_target: 'a <turbo-stream> needs a target or targets, unless its action is refresh',
  message_without_template: 'the HTML of a <turbo-stream> must be in a <template> inside it',
} as const

const DOUBTS = {
  keys_unknown:
    'no secret is known here, so no signature was checked: decode it where ANYCABLE_SECRET is set, or where .env is',
  keys_published:
    'the keys at --jwks_url were not fetched, because debugging sends nothing: the signature was not checked',
  token_forever: 'the token has no exp, so it never expires: issue it with a time to live',
  token_in_ms: 'exp and nbf are Unix time in seconds; this seems to be milliseconds',
  token_in_url: 'a token in a URL may be written to logs: the subprotocol anycable-token.<token> keeps it out',
  url_unencrypted: 'a page with https:// can open only wss://',
  position_missing:
    'without a position the page misses messages between its query and its subscription: pass position() to stream_from',
  position_malformed: 'a position is <offset>/<epoch>, as position() returns it',
  source_id_missing: 'without an id a refresh keeps the old element, and loses messages: use what stream_from returns',
  page_script_elsewhere:
    'hotcable.js is not here: does a script of the app subscribe the page? If not, add script_tag()',
  page_stream_twice: 'the page has one stream twice, so elements without ids are added twice',
  page_tokens_differ: 'the meta tags hold different tokens: print meta_tags(identity) once',
  message_action_unknown: 'Turbo has no such action: the page needs a script that defines it',
} as const

export type FaultCode = RefusalCode | keyof typeof MISTAKES | keyof typeof DOUBTS

/** For tables whose rows have a `fix`. */
const fixes = (rows: Record<string, { readonly fix: string }>) =>
  Object.fromEntries(Object.entries(rows).map(([code, { fix }]) => [code, fix]))

/** For tables whose rows are a status and a fix. */
const fixesOfStatuses = (rows: Record<string, readonly [unknown, string]>) =>
  Object.fromEntries(Object.entries(rows).map(([code, [, fix]]) => [code, fix]))

/** Code → fix. If a code is in two tables of errors.ts, the upper table's fix counts. */
export const FAULTS = {
  ...DOUBTS,
  ...MISTAKES,
  ...fixesOfStatuses(EVENT_REFUSALS),
  ...fixesOfStatuses(REQUEST_REFUSALS),
  ...fixes(CUTS),
  ...GAPS,
  ...COMPLAINTS,
  ...REJECTIONS,
  ...fixes(ENDINGS),
} as Readonly<Record<FaultCode, string>>

export const isDoubtful = (code: FaultCode): boolean => code in DOUBTS

export const isFaultCode = (text: string): text is FaultCode => Object.hasOwn(FAULTS, text)
