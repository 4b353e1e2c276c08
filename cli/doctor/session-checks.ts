/** Checks of a session on an open WebSocket: welcome, token, subscriptions, pings, clocks. Pure. */
import { show } from '../../server/debug/shorten.ts'
import { ENDINGS, REJECTIONS } from '../../server/errors.ts'
import type { Answer } from './ask.ts'
import { IDLE } from './config-lines.ts'
import type { Heard } from './conversation.ts'
import { answersTo, type Seen, STALE_MS, type Token } from './look.ts'
import { duration, fail, ok, oneLine, quote, skipped, type Verdict, warn } from './verdict.ts'

const NO_SOCKET = skipped('no WebSocket')
const NO_WELCOME = skipped('no welcome')

const conversationOf = ({ socket }: Seen) => (socket.kind === 'open' ? socket.conversation : undefined)
const find = (seen: Seen, type: string): Heard | undefined =>
  conversationOf(seen)?.heard.find(heard => heard.type === type)

/** Reasons of a disconnect that are about the token. */
const ABOUT_TOKENS: ReadonlySet<unknown> = new Set([ENDINGS.token_missing.tell, ENDINGS.token_expired.tell])

export function welcome(seen: Seen): Verdict {
  const conversation = conversationOf(seen)
  if (conversation === undefined) return NO_SOCKET
  const [first] = conversation.heard
  if (first?.type === 'welcome') {
    const took = first.at - conversation.openedAt
    const saw = `${duration(took)} after the upgrade`
    return took > SLOW_MS ? warn(saw, 'the cable is busy, or waits for the app: see its log and its /metrics') : ok(saw)
  }
  if (first?.type === 'disconnect') {
    if (ABOUT_TOKENS.has(first.reason)) return skipped('the cable refused the token')
    const fix = fixOf(first) ?? Object.values(ENDINGS).find(({ tell }) => tell === first.reason)?.fix
    return fail(`the cable refused the client: ${quote(show(first.reason))}`, fix ?? 'see the log of the cable')
  }
  if (first !== undefined)
    return fail(`the first message is ${quote(show({ ...first, at: undefined }))}`, 'is that a cable?')
  if (conversation.end !== undefined)
    return fail(`no welcome: ${howItEnded(seen)}`, 'see the log of the cable and of the proxy')
  return fail(`no welcome in ${duration(seen.options.timeoutMs)}`, 'is that a cable? Does the proxy pass messages on?')
}

/** By then a page says that it is offline. */
const SLOW_MS = 2000

export function token(seen: Seen): Verdict {
  const { token } = seen.options
  const [first] = conversationOf(seen)?.heard ?? []
  if (conversationOf(seen) === undefined) return NO_SOCKET
  if (first?.type === 'welcome') {
    if (token === undefined) return ok('the cable admits clients without a token')
    const { exp } = claimsOf(token)
    const expires = typeof exp === 'number' ? `; it expires in ${duration(exp * 1000 - first.at)}` : ''
    return ok(`accepted, ${token.from}${expires}`)
  }
  if (first?.type !== 'disconnect' || !ABOUT_TOKENS.has(first.reason)) return NO_WELCOME
  if (token === undefined)
    return fail(
      'the cable refuses clients without a token',
      'examine a page that has one, start the doctor where ANYCABLE_SECRET is set, or give it one:',
      '  hotcable token ada | hotcable doctor --token <url>',
    )
  const saw = `refused as ${quote(show(first.reason))}, ${token.from}`
  return fail(saw, fixOf(first) ?? faultOf(token, first.at) ?? ENDINGS.token_invalid.fix)
}

function faultOf(token: Token, now: number): string | undefined {
  const { exp, nbf, ext } = claimsOf(token)
  if (typeof exp === 'number' && exp * 1000 < now)
    return `it expired ${duration(now - exp * 1000)} ago: issue a new one`
  if (typeof nbf === 'number' && nbf * 1000 > now + 5000) return ENDINGS.token_not_yet_valid.fix
  return typeof ext === 'string' ? undefined : ENDINGS.token_ext_invalid.fix
}

function claimsOf({ text }: Token): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()))
  } catch {
    return {}
  }
}

export function subscription(seen: Seen): Verdict {
  if (find(seen, 'welcome') === undefined) return NO_WELCOME
  const { identifiers } = seen
  if (identifiers.length === 0)
    return skipped('no signed name: examine a page that has one, or start the doctor where ANYCABLE_SECRET is set')
  const answers = identifiers.map(identifier => conversationOf(seen)!.heard.find(answersTo(identifier)))
  const whose = (at: number) =>
    at === 0 && seen.page?.tags.signedName !== undefined ? 'on the page' : "signed with this environment's secret"
  const rejected = answers.findIndex(answer => answer?.type !== 'confirm_subscription')
  if (rejected < 0) return ok(`confirmed, for the name ${identifiers.map((_, at) => whose(at)).join(' and the one ')}`)
  const answer = answers[rejected]
  if (answer === undefined) return fail(`no answer about the name ${whose(rejected)}`, 'see the log of the cable')
  const fix = fixOf(answer)
  return fail(
    `rejected, for the name ${whose(rejected)}${answer.code === undefined ? '' : ` (${answer.code})`}`,
    ...(fix
      ? [fix]
      : [
          REJECTIONS.stream_signature_mismatch,
          REJECTIONS.channel_unknown,
          'the log of the cable has the code; with --dev the doctor sees it too',
        ]),
  )
}

export function ping(seen: Seen): Verdict {
  const conversation = conversationOf(seen)
  if (find(seen, 'welcome') === undefined) return NO_WELCOME
  const pings = conversation!.heard.filter(({ type }) => type === 'ping').map(({ at }) => at)
  const until = conversation!.end?.at ?? seen.leftAt
  const gaps = [...pings, until].map((at, index) => at - (pings[index - 1] ?? conversation!.openedAt))
  const longest = Math.max(...gaps)
  const fix = 'clients without a ping for 6 s reconnect: --ping_interval=3, and no proxy that holds messages back'
  if (pings.length === 0)
    return conversation!.end === undefined
      ? fail(`none in ${duration(longest)}`, fix)
      : skipped('the connection ended before the first one')
  return longest > STALE_MS
    ? warn(`${duration(longest)} between two pings`, fix)
    : ok(`the first after ${duration(gaps[0]!)}`)
}

export function idle(seen: Seen): Verdict {
  const conversation = conversationOf(seen)
  if (find(seen, 'welcome') === undefined) return NO_WELCOME
  if (conversation!.end === undefined) return ok(`open for ${duration(seen.leftAt - conversation!.openedAt)}`)
  const after = duration(conversation!.end.at - conversation!.openedAt)
  const bye = find(seen, 'disconnect')
  if (bye !== undefined)
    return fail(
      `the cable ended the connection after ${after}: ${quote(show(bye.reason))}`,
      fixOf(bye) ?? 'see the log of the cable',
    )
  return fail(`${howItEnded(seen)} after ${after}`, ...IDLE)
}

function howItEnded(seen: Seen): string {
  const close = conversationOf(seen)?.end?.close
  if (close === undefined) return 'the connection was cut'
  return `the connection was closed (${`${close.code} ${oneLine(close.reason)}`.trim()})`
}

export function clock(seen: Seen): Verdict {
  const beat = find(seen, 'ping')
  const cable = beat && typeof beat.message === 'number' ? behind(beat.at, inMs(beat.message)) : undefined
  const date = dateOf(seen)
  const off = [cable, date].find(isOff)
  if (off === undefined) {
    if (cable !== undefined) return ok(`the cable's is within ${LEEWAY_S} s of this machine's`)
    return date === undefined ? skipped('neither a ping nor a Date header') : ok('by the Date header, not by a ping')
  }
  const saw = isOff(cable)
    ? isOff(date)
      ? `cable and Date header are ${side(cable)}: is this machine's wrong?`
      : `the clock of the cable is ${side(cable)}; the Date header is right`
    : `the Date header is ${side(off)}`
  return (Math.abs(off) >= WRONG_S ? fail : warn)(
    saw,
    `tokens and names expire that much too ${off > 0 ? 'late' : 'early'}, and new ones may be refused: correct the clock`,
    '  timedatectl set-ntp true',
  )
}

const isOff = (seconds: number | undefined): seconds is number => seconds !== undefined && Math.abs(seconds) > LEEWAY_S

/** By how many seconds the Date header of the cable's host is behind: that of a proxy, if there is one. */
function dateOf({ socket, script, cable }: Seen): number | undefined {
  const answers = ['answer' in socket ? socket.answer : undefined, script.url.host === cable.host && script.answer]
  const dated = answers.find(answer => answer && 'headers' in answer && answer.headers.date) as Answer | undefined
  return dated && behind(dated.arrivedAt, Date.parse(dated.headers.date!))
}

/** As the cable's for `nbf`. */
const LEEWAY_S = 5
const WRONG_S = 60

const side = (behind: number): string => `${Math.abs(behind)} s ${behind > 0 ? 'behind' : 'ahead of'} this machine's`

/** Both are cut to whole seconds, because the remote one is. */
const behind = (here: number, there: number): number => Math.floor(here / 1000) - Math.floor(there / 1000)

/** The precision of pings is a setting of the cable: seconds, ms or ns. */
const inMs = (time: number): number => (time < 1e11 ? time * 1000 : time < 1e14 ? time : time / 1e6)

/** A cable with --dev sends the fix. */
const fixOf = ({ fix }: Heard): string | undefined => (typeof fix === 'string' ? fix : undefined)
